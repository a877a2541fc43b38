"""Large frames on a socket of their own, sealed: memory's speed instead of CURVE's.

libzmq encrypts in one thread, 50 MB a second. A large frame between hosts is sealed
with a key of its own instead (AES-256-GCM, which processors have instructions for) and
travels as ciphertext on a plain TCP connection; the key and a ticket travel over CURVE.
Connections are always made by runners. Where they cannot be, or one breaks, the frame
travels over CURVE after all: nothing here can fail a job.

`sealing` holds the rules of the seal, `requests` what is said on such a connection,
`server` the driver's end and `client` a runner's.
"""
