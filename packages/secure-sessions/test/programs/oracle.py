"""Another implementation to compare with, pyca/cryptography: reads a JSON list of requests, writes a list of answers."""

import json
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC


class Xaes:
    """XAES-256-GCM by NIST SP 800-108: counter mode over CMAC."""

    def __init__(self, key):
        self.key = key

    def inner(self, nonce):
        blocks = []
        for counter in (1, 2):
            mac = CMAC(AES(self.key))
            mac.update(struct.pack(">H", counter) + b"X\x00" + nonce[:12])
            blocks.append(mac.finalize())
        return AESGCM(b"".join(blocks))

    def encrypt(self, nonce, data, aad):
        return self.inner(nonce).encrypt(nonce[12:], data, aad)

    def decrypt(self, nonce, data, aad):
        return self.inner(nonce).decrypt(nonce[12:], data, aad)


ciphers = {2: AESGCM, 3: Xaes, 4: ChaCha20Poly1305}


def answer(request):
    if request["operation"] == "fernet-seal":
        return Fernet(request["key"]).encrypt(bytes.fromhex(request["data"])).decode()
    if request["operation"] == "fernet-open":
        try:
            return Fernet(request["key"]).decrypt(request["data"].encode()).hex()
        except InvalidToken:
            return None
    key, nonce, aad, data = (bytes.fromhex(request[name]) for name in ("key", "nonce", "aad", "data"))
    cipher = ciphers[request["suite"]](key)
    if request["operation"] == "seal":
        return cipher.encrypt(nonce, data, aad).hex()
    try:
        return cipher.decrypt(nonce, data, aad).hex()
    except InvalidTag:
        return None


print(json.dumps([answer(request) for request in json.load(sys.stdin)]))
