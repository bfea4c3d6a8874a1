"""Bytes to records and back: one JSON object a message."""

import msgspec

from schemas.account import AnyAccount
from schemas.checkpoint import Checkpoint
from schemas.command import AnyCommand
from schemas.dataset import DatasetDone
from schemas.dead import DeadLetter
from schemas.decision import Decision
from schemas.events import AnyEvent
from schemas.governance import AnyLearning
from schemas.model import ModelChange, ModelRecord
from schemas.prediction import AnyPrediction
from schemas.quality import QualityMinute, QualityRecord
from schemas.registry import RegistryChange
from schemas.signal import TradingSignal
from schemas.vector import FeatureVector

encode = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(AnyEvent).decode
decode_vector = msgspec.json.Decoder(FeatureVector).decode
decode_quality = msgspec.json.Decoder(QualityRecord).decode
decode_quality_minute = msgspec.json.Decoder(QualityMinute).decode
decode_registry_change = msgspec.json.Decoder(RegistryChange).decode
decode_command = msgspec.json.Decoder(AnyCommand).decode
decode_decision = msgspec.json.Decoder(Decision).decode
decode_signal = msgspec.json.Decoder(TradingSignal).decode
decode_account = msgspec.json.Decoder(AnyAccount).decode
decode_prediction = msgspec.json.Decoder(AnyPrediction).decode
decode_model_change = msgspec.json.Decoder(ModelChange).decode
decode_model_record = msgspec.json.Decoder(ModelRecord).decode
decode_learning = msgspec.json.Decoder(AnyLearning).decode
decode_dataset = msgspec.json.Decoder(DatasetDone).decode
decode_checkpoint = msgspec.json.Decoder(Checkpoint).decode
decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding strange bytes may raise: ``DecodeError`` alone covers neither bad UTF-8 nor deep nesting."""
