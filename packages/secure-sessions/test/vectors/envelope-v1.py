"""Makes envelope-v1.json as adk-secure-sessions 1.2.0 writes its values, with pyca/cryptography:
python3 envelope-v1.py > envelope-v1.json"""

import base64
import hashlib
import json

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SALT = b"adk-secure-sessions-fernet-v1"


def fixed(seed, length):
    return hashlib.sha512(seed.encode()).digest()[:length]


def token(key, plaintext, seed):
    fernet = Fernet(base64.urlsafe_b64encode(key))
    return fernet._encrypt_from_parts(plaintext, 1_700_000_000, fixed("iv " + seed, 16))


def master(passphrase, rounds):
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), SALT, rounds)


def envelope(backend, body):
    return base64.b64encode(bytes([1, backend]) + body).decode()


def salted(passphrase, plaintext):
    salt = fixed("salt", 16)
    key = HKDF(hashes.SHA256(), 32, salt, b"adk-fernet-v2").derive(master(passphrase, 600_000))
    return bytes([1]) + salt + token(key, plaintext, "salted")


passphrase = "my-secret-passphrase é"
plaintext = '{"topic": "tides", "n": [1, null, "ß"]}'.encode()
fernet_key = fixed("fernet key", 32)
aes_key = fixed("aes key", 32)
nonce = fixed("nonce", 12)

print(json.dumps({
    "source": "envelope-v1.py",
    "plaintext": plaintext.hex(),
    "passphrase": passphrase,
    "fernetKey": base64.urlsafe_b64encode(fernet_key).decode(),
    "aesKey": aes_key.hex(),
    "salted": envelope(1, salted(passphrase, plaintext)),
    "early": envelope(1, token(master(passphrase, 480_000), plaintext, "early")),
    "direct": envelope(1, token(fernet_key, plaintext, "direct")),
    "aesGcm": envelope(2, nonce + AESGCM(aes_key).encrypt(nonce, plaintext, None)),
}, indent=2))
