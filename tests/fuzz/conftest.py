"""The fuzzer is a program, run by tests/connectors/test_fuzz_parsers.py; importing it would instrument the product."""

collect_ignore = ["fuzz_parsers.py"]
