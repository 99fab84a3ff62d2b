"""The runner that joins the stages over Apache Kafka: processes on any number of machines."""
