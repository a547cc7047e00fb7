"""The stories of HP2xx to HP4xx: both keys, the register, the claim."""

from __future__ import annotations

from dataclasses import replace

from coverage_cases import (
    ABSENT,
    FULL,
    NONE,
    PRIVATE,
    PUBLIC,
    REGISTER,
    TOPS,
    Known,
    but,
    case,
    other_cloud,
    until,
)
from coverage_parts import (
    ANEW,
    CLAIM_CODE,
    HEALTHY,
    MISTAKEN,
    UNLUCKY,
    C,
    M,
    Told,
    confirm,
    sealed,
)
from handshake_probe.lab import damage, seals
from handshake_probe.lab.memory import keys
from handshake_probe.lab.memory.cast import cloud, device, slot
from handshake_probe.protocol.seal import Seal

# The server key.

OTHER_KEY = case(PRIVATE, devices=(device(server="other"),))
LARGER = case(
    Known(public=("small",)),
    devices=(device(server=keys.cloud_numbers("large", TOPS["large"]).n),),
    clouds=(cloud(settings={"key": keys.cloud_key(keys.cloud_numbers("small", TOPS["small"]))}),),
    seed=5,
)
FOREIGN_SIGNER = sealed(lambda: seals.ForeignSignature(keys.cloud_numbers("other")), PUBLIC)
EVEN = case(devices=(device(server=keys.cloud_numbers("cloud").n & ~1),))
RESTARTED = case(
    REGISTER,
    devices=(device(stays=None, attempts=4),),
    clouds=(cloud(until=8.0), cloud("new")),
)
BOTH_CLOUDS = Known(private=("cloud", "other"), named="cloud")
THE_OTHERS = case(BOTH_CLOUDS, devices=(device(server="other"),))

SERVER_KEY = {
    "HP201": Told(
        reached=OTHER_KEY,
        cause=C.SERVER_KEY_MISMATCH,
        mechanism=M.IDENTITY_NOT_DECRYPTABLE,
        near=but(OTHER_KEY, devices=(device(),)),
        thin=but(OTHER_KEY, known=PUBLIC),
    ),
    "HP202": Told(
        reached=LARGER,
        cause=C.SERVER_KEY_MISMATCH,
        mechanism=M.IDENTITY_NOT_DECRYPTABLE,
        near=but(LARGER, seed=1),
        thin=but(LARGER, view={"snap": 96}),
    ),
    "HP203": Told(
        reached=FOREIGN_SIGNER,
        cause=C.SERVER_KEY_MISMATCH,
        mechanism=M.SIGNATURE_BY_ANOTHER_KEY,
        near=other_cloud(FOREIGN_SIGNER, seal=Seal),
        thin=but(FOREIGN_SIGNER, known=NONE),
    ),
    "HP204": Told(
        reached=EVEN,
        cause=C.INCONCLUSIVE,
        mechanism=M.IDENTITY_NOT_SENT,
        near=but(EVEN, devices=(device(),)),
        thin=until(EVEN, 0.6),
    ),
    "HP205": Told(
        reached=RESTARTED,
        cause=C.SERVER_KEY_MISMATCH,
        mechanism=M.CLOUD_KEY_CHANGED,
        near=but(RESTARTED, clouds=(cloud(until=8.0), cloud())),
        thin=but(RESTARTED, known=NONE),
    ),
    "HP206": Told(
        reached=THE_OTHERS,
        cause=C.SERVER_KEY_MISMATCH,
        mechanism=M.IDENTITY_NOT_DECRYPTABLE,
        near=but(THE_OTHERS, devices=(device(),)),
        thin=but(THE_OTHERS, known=replace(BOTH_CLOUDS, named=None)),
    ),
}

# The device key.

MISFILED = case(
    replace(REGISTER, registered={"device": MISTAKEN, **ABSENT}),
    clouds=(cloud(knows={"device": MISTAKEN}),),
)
NOT_FOR_IT = but(ANEW, known=PUBLIC)
WITH_FLASH = replace(PRIVATE, flash={"device": slot("anew")})
MISREAD = case(
    replace(PUBLIC, flash={"device": UNLUCKY}),
    devices=(device(slot_holds=UNLUCKY),),
    clouds=(cloud(knows={"device": keys.unlucky_numbers("device")}),),
)
PKCS8 = case(REGISTER, devices=(device(slot_holds=damage.pkcs8_in_slot(slot())),))
SOUND_SLOT = slot()
IN_SLOT = {
    M.EC_KEY_IN_SLOT: keys.ec_slot("device"),
    M.SLOT_ERASED: damage.erased_tail(SOUND_SLOT),
    M.SLOT_SHIFTED: SOUND_SLOT[5:] + b"\xff" * 5,
    M.SLOT_DAMAGED: bytes(len(SOUND_SLOT)),
}
SLOTS = {
    mechanism: Told(
        reached=case(REGISTER, devices=(device(slot_holds=held),)),
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=mechanism,
        near=case(REGISTER, devices=(device(slot_holds=slot("anew")),)),
        thin=case(PUBLIC, devices=(device(slot_holds=held),)),
    )
    for mechanism, held in IN_SLOT.items()
}
KEY_ERROR = case(FULL, devices=(device(settings={"key_errors": 1}),))

DEVICE_KEY = {
    "HP301": Told(
        reached=MISFILED,
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.REGISTERED_KEY_DIFFERS,
        near=but(MISFILED, known=REGISTER),
        thin=but(MISFILED, known=PRIVATE),
    ),
    "HP302": Told(
        reached=NOT_FOR_IT,
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.CREDENTIALS_REFUSED,
        near=but(NOT_FOR_IT, devices=(device(),)),
        thin=but(NOT_FOR_IT, known=NONE),
    ),
    "HP303": Told(
        reached=but(ANEW, known=WITH_FLASH),
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.CREDENTIALS_NOT_DECRYPTABLE,
        near=but(ANEW, known=replace(WITH_FLASH, flash={"absent": slot("anew")})),
        thin=but(ANEW, known=NONE),
    ),
    "HP304": Told(
        reached=MISREAD,
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.KEY_UNREADABLE_BY_FIRMWARE,
        near=but(MISREAD, devices=(device(),)),
        thin=but(MISREAD, known=NONE),
    ),
    "HP305": Told(
        reached=PKCS8,
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.WRAPPED_KEY_IN_SLOT,
        near=but(PKCS8, devices=(device(slot_holds=slot("anew")),)),
        thin=but(PKCS8, known=PUBLIC),
    ),
    "HP306": Told(
        reached=KEY_ERROR,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(KEY_ERROR, devices=(device(),)),
        thin=but(KEY_ERROR, known=NONE),
    ),
    "HP310": Told(
        reached=ANEW,
        cause=C.INCONCLUSIVE,
        mechanism=M.CREDENTIALS_REFUSED,
        near=but(ANEW, devices=(device(),)),
        thin=until(ANEW, 0.8),
    ),
}

# The account.

UNKNOWN = case(replace(PRIVATE, registered=ABSENT), clouds=(cloud(knows=()),))
CLAIMING = case(FULL, devices=(device(settings={"claim_code": CLAIM_CODE}, stays=None),))
CONFIRMED = but(CLAIMING, clouds=(cloud(acts=(confirm,)),))
SAFE_MODE = case(FULL, devices=(device(settings={"safe_mode": True}),))

ACCOUNT = {
    "HP401": Told(
        reached=UNKNOWN,
        cause=C.DEVICE_UNKNOWN,
        mechanism=M.DEVICE_NOT_REGISTERED,
        near=but(UNKNOWN, known=REGISTER),
        thin=but(UNKNOWN, known=PRIVATE),
    ),
    "HP402": Told(
        reached=CLAIMING,
        cause=C.UNCLAIMED,
        mechanism=M.CLAIM_NOT_CONFIRMED,
        near=CONFIRMED,
        thin=but(CLAIMING, known=NONE),
    ),
    "HP403": Told(
        reached=CONFIRMED,
        cause=C.HEALTHY,
        mechanism=None,
        near=CLAIMING,
        thin=but(CONFIRMED, known=NONE),
    ),
    "HP404": Told(
        reached=SAFE_MODE,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(SAFE_MODE, devices=(device(),)),
        thin=but(SAFE_MODE, known=NONE),
    ),
    "HP405": Told(
        reached=but(UNKNOWN, known=NONE),
        cause=C.INCONCLUSIVE,
        mechanism=M.IDENTITY_REFUSED,
        near=HEALTHY,
        thin=until(but(UNKNOWN, known=NONE), 0.71),
    ),
}
