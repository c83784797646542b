# tpu-orch for TPU hosts, from the pinned versions: docker build --file tpu_scripts/tpu.Dockerfile --tag IMAGE .
FROM python:3.11-slim
WORKDIR /opt/tpu-orch
COPY tpu_scripts/requirements.tpu.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.tpu.lock
COPY pyproject.toml README.md LICENSE ./
COPY data_pipeline data_pipeline
COPY rewards rewards
COPY models models
COPY tpu_orch tpu_orch
RUN pip install --no-cache-dir --no-deps . && tpu-orch --help > /dev/null
WORKDIR /tpu-orch
CMD ["tpu-orch", "doctor"]
