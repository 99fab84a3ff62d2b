"""The slow proofs of the Kafka runner: processes killed, brokers stopped, cameras that misbehave. `make chaos`."""
