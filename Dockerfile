# One image for both processes: `indexer run` and `searchapi`. The servers come from stock images, see docker-compose.yml.
# Nothing in it need be written to: run it with a read-only root, memory at /tmp, and for the indexer a volume at /var/lib/bulario.

# Makes what runs: the locked packages and our wheel, built by the locked builder (lock/demo.txt is the smallest lock that has it).
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /src
COPY lock/demo.txt lock/runtime.txt lock/
RUN python -m venv --without-pip /opt/bulario \
 && pip install --no-cache-dir --no-deps --require-hashes -r lock/demo.txt \
 && pip --python /opt/bulario/bin/python install --no-cache-dir --no-deps --require-hashes -r lock/runtime.txt
COPY . .
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . \
 && pip --python /opt/bulario/bin/python install --no-cache-dir --no-deps /wheel/*.whl

FROM python:3.11.14-slim-bookworm
ENV PATH=/opt/bulario/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LOG_FORMAT=json
RUN useradd --system --uid 10001 bulario && install -d -o bulario /var/lib/bulario
COPY --from=build /opt/bulario /opt/bulario
WORKDIR /srv
USER 10001
EXPOSE 8000 9101
# searchapi's. `indexer run` has its own in docker-compose.yml.
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s CMD ["python", "-c", "import os; from urllib.request import urlopen; urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\") or 8000}/livez', timeout=5)"]
CMD ["searchapi"]
