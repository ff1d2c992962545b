"""Makes envelope-v2.json from envelope-spec.md alone, with pyca/cryptography: python3 envelope-v2.py > envelope-v2.json"""

import json
import struct
import unicodedata

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt


def uint64(value):
    return struct.pack("<Q", value)


def field(value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return uint64(value)
    return value.encode("utf-16-le", "surrogatepass")


def encode(fields):
    parts = [field(value) for value in fields]
    return uint64(len(parts)) + b"".join(uint64(len(part)) + part for part in parts)


def derive(key, info, length):
    return HKDF(hashes.SHA256(), length, None, info.encode()).derive(key)


def fixed(seed, length):
    digest = hashes.Hash(hashes.SHA512())
    digest.update(seed.encode())
    return digest.finalize()[:length]


data_key = fixed("data key", 32)
key_id = derive(data_key, "kid", 16)
commitment = derive(data_key, "commitment", 32)
message_key = derive(data_key, "suite:2", 32)


def envelope(name, place, plaintext):
    header = bytes([0x5E, 0x55, 0x02, 0x02, 0x00]) + key_id
    aad = encode([header, place["app"], place["user"], place["session"], place["table"], place["column"], place["id"],
                  place["sequence"]])
    nonce = fixed("nonce " + name, 12)
    sealed = AESGCM(message_key).encrypt(nonce, plaintext, aad)
    return {"name": name, "place": place, "plaintext": plaintext.hex(), "nonce": nonce.hex(), "aad": aad.hex(),
            "envelope": (header + nonce + sealed).hex()}


def place(**changes):
    return {"app": "desk", "user": "ada", "session": "s1", "table": "session_events", "column": "body", "id": "e1",
            "sequence": 1, **changes}


def xaes(key, nonce, plaintext, aad):
    blocks = []
    for counter in (1, 2):
        mac = CMAC(AES(key))
        mac.update(struct.pack(">H", counter) + b"X\x00" + nonce[:12])
        blocks.append(mac.finalize())
    return AESGCM(b"".join(blocks)).encrypt(nonce[12:], plaintext, aad)


def chacha(key, nonce, plaintext, aad):
    return ChaCha20Poly1305(key).encrypt(nonce, plaintext, aad)


def suite_envelope(suite, nonce_length, seal):
    header = bytes([0x5E, 0x55, 0x02, suite, 0x00]) + key_id
    where = place(id=f"suite {suite}")
    aad = encode([header, where["app"], where["user"], where["session"], where["table"], where["column"], where["id"],
                  where["sequence"]])
    nonce = fixed(f"nonce of suite {suite}", nonce_length)
    plaintext = b'[0,"ada","Hello"]'
    sealed = seal(derive(data_key, f"suite:{suite}", 32), nonce, plaintext, aad)
    return {"suite": suite, "place": where, "plaintext": plaintext.hex(), "envelope": (header + nonce + sealed).hex()}


def successor():
    """A data key that took over the keys of data_key, and a fingerprint under them."""
    key = fixed("next data key", 32)
    kid = derive(key, "kid", 16)
    nonce = fixed("carry nonce", 12)
    aad = encode(["carried keys", "desk", "ada", kid])
    keys = derive(data_key, "chain", 32) + derive(data_key, "index", 32)
    mac = hmac.HMAC(derive(data_key, "index", 32), hashes.SHA256())
    mac.update(encode(["domain", "name"]))
    commitment_of_key = derive(key, "commitment", 32)
    aad_of_wrap = encode(["wrapped data key", bytes([1, 0]), "2025", "desk", "ada", kid, commitment_of_key])
    wrap_nonce = fixed("wrap nonce of the next", 12)
    return {"keyId": kid.hex(), "commitment": commitment_of_key.hex(),
            "wrapped": (bytes([1, 0]) + wrap_nonce + AESGCM(kek).encrypt(wrap_nonce, key, aad_of_wrap)).hex(),
            "carried": (nonce + AESGCM(derive(key, "carry", 32)).encrypt(nonce, keys, aad)).hex(),
            "fingerprint": mac.finalize()[:16].hex()}


def wrapped(kek_id, kek, prefix):
    nonce = fixed("wrap nonce " + kek_id, 12)
    aad = encode(["wrapped data key", prefix, kek_id, "desk", "ada", key_id, commitment])
    return (prefix + nonce + AESGCM(kek).encrypt(nonce, data_key, aad)).hex()


kek = fixed("key encryption key", 32)
passphrase = "cafe\u0301 \u2460 \U0001F511"
salt = fixed("salt", 16)
scrypt_key = Scrypt(salt, 32, 2**12, 8, 2).derive(unicodedata.normalize("NFKC", passphrase).encode())

vectors = {
    "source": "envelope-v2.py",
    "dataKey": data_key.hex(),
    "keyId": key_id.hex(),
    "commitment": commitment.hex(),
    "messageKey": message_key.hex(),
    "envelopes": [
        envelope("event", place(), b'[0,"ada","Hello"]'),
        envelope("empty", place(), b""),
        envelope("one byte", place(sequence=2), b"\x00"),
        envelope("kilobyte", place(id="e3", sequence=3), fixed("long", 64) * 16),
        envelope("large sequence", place(sequence=2**53 - 1), b"x"),
        envelope("empty fields", place(user="", session="", id="", sequence=0), b"shared"),
        envelope("other scripts", place(user="Ζωή|\u0000\u202e", session="\U0001F9F5", id="a\u0301"), "naïve".encode()),
    ],
    "suites": [suite_envelope(3, 24, xaes), suite_envelope(4, 12, chacha)],
    "successor": successor(),
    "keyring": {"kekId": "2025", "key": kek.hex(), "app": "desk", "user": "ada",
                "wrapped": wrapped("2025", kek, bytes([1, 0]))},
    "passphrase": {"kekId": "passphrase", "passphrase": passphrase, "app": "desk", "user": "ada",
                   "wrapped": wrapped("passphrase", scrypt_key, bytes([1, 1, 12, 8, 2]) + salt)},
}
print(json.dumps(vectors, indent=2))
