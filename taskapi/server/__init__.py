"""gunicorn's worker, hardened: see worker.py."""
