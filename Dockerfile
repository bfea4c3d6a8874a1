FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.lock .
RUN pip install --require-hashes --no-deps -r requirements.lock

# Installed in place: migrations and registries are files beside the code.
COPY . .
RUN pip install "setuptools>=77" \
    && pip install --no-deps --no-build-isolation --editable . \
    && useradd --create-home --uid 10001 lockstep \
    && install -d -o lockstep -g lockstep /data

USER lockstep
ENV LOCKSTEP_HOME=/data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["lockstep"]
CMD ["--help"]
