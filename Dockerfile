# One image for both processes: `indexer run` and `searchapi`. The servers come from stock images, see docker-compose.yml.

# Builds our wheel with the locked builder (lock/demo.txt is the smallest lock that has it); nothing else of this stage is kept.
FROM python:3.11-slim AS build
WORKDIR /src
COPY lock/demo.txt lock/
RUN pip install --no-cache-dir --no-deps --require-hashes -r lock/demo.txt
COPY . .
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel .

FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 LOG_FORMAT=json
WORKDIR /srv
COPY lock/runtime.txt .
RUN pip install --no-cache-dir --no-deps --require-hashes -r runtime.txt
RUN --mount=type=bind,from=build,source=/wheel,target=/wheel pip install --no-cache-dir --no-deps /wheel/*.whl
RUN useradd --system --uid 10001 bulario && install -d -o bulario /var/lib/bulario
USER 10001
CMD ["searchapi"]
