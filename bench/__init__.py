"""The load test: this service beside a FastAPI one with the same work, and beside the limit."""
