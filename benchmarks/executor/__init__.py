"""The executor: its computing, its latency through DDS beside a bare echo, its memory."""
