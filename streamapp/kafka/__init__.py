"""Kafka: the only room that imports Faust and aiokafka."""
