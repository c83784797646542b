# Workers of Dataflow that score: docker build --file tpu_scripts/beam.Dockerfile --tag IMAGE .
# The version of Beam's image is that of apache-beam in requirements.lock.
FROM apache/beam_python3.11_sdk:2.77.0
WORKDIR /opt/tpu-orch
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock && pip install --no-cache-dir gcsfs==2026.10.1
COPY pyproject.toml README.md LICENSE ./
COPY data_pipeline data_pipeline
COPY rewards rewards
COPY models models
COPY tpu_orch tpu_orch
RUN pip install --no-cache-dir --no-deps .
