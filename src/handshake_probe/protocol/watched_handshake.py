"""The handshake of two sides that are watched: steps taken as their bytes can be understood."""

from __future__ import annotations

from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.units import StreamData
from handshake_probe.protocol import layouts
from handshake_probe.protocol.decryptor import Decryptor
from handshake_probe.protocol.device_trials import try_credentials
from handshake_probe.protocol.events import (
    BlockState,
    CredentialsOddSize,
    CredentialsReceived,
    CredentialsShort,
    FramingLost,
    IdentitySent,
    IdentityShort,
    NonceReceived,
    NonceShort,
    SurplusAfterNonce,
)
from handshake_probe.protocol.log import EventLog
from handshake_probe.protocol.nonce import inspect_nonce, looks_like
from handshake_probe.protocol.records import is_chain
from handshake_probe.protocol.side import EXCERPT, HELD, Side
from handshake_probe.protocol.state import Step
from handshake_probe.protocol.stream import Mark, Taken
from handshake_probe.protocol.trials import find_misplaced, try_identity, try_signature

_LOST_EXCERPT = 40
_ID_KNOWN = (BlockState.OPENED, BlockState.UNPROVEN)


class WatchedHandshake:
    """Takes nonce, identity and credentials from what two sides sent.

    Args:
        keyring: Keys to try.
        cloud: What the cloud sent; its steps' bytes are taken from it.
        device: What the device sent, likewise.
        decryptor: Learns what the credentials bring to light.
        log: Is told what happens.
        midstream: There is none: both sides send records already.
    """

    def __init__(
        self,
        keyring: Keyring,
        cloud: Side,
        device: Side,
        decryptor: Decryptor,
        log: EventLog,
        *,
        midstream: bool,
    ) -> None:
        self._keyring = keyring
        self._cloud = cloud
        self._device = device
        self._decryptor = decryptor
        self._log = log
        self._nonce: NonceReceived | None = None
        self._nonce_settled = midstream  # received, or known to stay short
        self._surplus = 0  # bytes the cloud sent after the nonce before the device spoke
        self._identity_passed = False
        self._credentials_passed = False
        self._credentials_settled = midstream
        self._sent_keys: tuple[bytes, ...] = ()
        self._unsigned: tuple[bytes, Mark] | None = None  # credentials in which no signature opened

    def may_read_records(self, side: Side) -> bool:
        """Tell whether what a side sends now can be read as records, once its own steps are over.

        The device's wait for the credentials, the cloud's for the device to speak first.
        """
        if side.overflows:
            return True
        if side is self._device:
            return self._credentials_settled
        return not self._credentials_passed or self._device.position > layouts.IDENTITY_SIZE

    def take_steps(self) -> None:
        """Take every step whose bytes are whole and whose turn has come."""
        while (self._device.awaits_step or self._cloud.awaits_step) and self._take_step():
            pass

    def take_plain(self, nonce: StreamData, identity: StreamData, credentials: StreamData) -> None:
        """Take all steps at once: nothing came before, and each came in one piece, in this order.

        Does what `take_steps` would do after each of them.
        """
        for side, piece in ((self._cloud, nonce), (self._device, identity)):
            side.pass_step(piece)
        self._say_nonce(_whole(nonce, nonce.data), nonce.data, 0)
        self._say_identity(_whole(identity, identity.data))
        self._cloud.pass_step(credentials)
        self._say_credentials(
            _whole(credentials, credentials.data[: layouts.CIPHERTEXT_SIZE]),
            _whole(credentials, credentials.data[layouts.CIPHERTEXT_SIZE :]),
        )

    def hear_device(self, mark: Mark) -> None:
        """Say, now that the device spoke first or never will, how much came after the nonce.

        Nothing is said of what is known already.
        """
        nonce = self._nonce
        if nonce is None or nonce.nonce is None or self._cloud.step is not Step.CREDENTIALS:
            return
        self._surplus = self._cloud.buffer.captured
        if self._surplus > nonce.surplus:
            excerpt = self._cloud.beginning if nonce.flaws else b""
            self._log.add(
                SurplusAfterNonce(
                    frame=mark.frame, time_ns=mark.time_ns, received=self._surplus, excerpt=excerpt
                )
            )

    def end(self, side: Side, mark: Mark) -> None:
        """Say, once, that a side's step stayed short now that no more bytes come."""
        if side.short or side.step is Step.RECORDS:
            return
        received, frame, time_ns = side.buffer.captured, mark.frame, mark.time_ns
        if side.step is Step.NONCE and not self._nonce_settled:
            start = side.beginning
            self._nonce_settled = self._credentials_settled = side.short = True
            self._log.add(
                NonceShort(
                    frame=frame,
                    time_ns=time_ns,
                    received=received,
                    looks_like=looks_like(start),
                    excerpt=start,
                )
            )
        elif side.step is Step.IDENTITY and 0 < len(side.buffer) < layouts.IDENTITY_SIZE:
            side.short = True
            self._log.add(IdentityShort(frame=frame, time_ns=time_ns, received=received))
        elif side.step is Step.CREDENTIALS and self._identity_passed:
            self._credentials_settled = side.short = True
            answered = received - self._surplus
            if answered and not self._is_foreign():
                excerpt = side.buffer.peek(self._surplus + EXCERPT)[self._surplus :]
                self._log.add(
                    CredentialsShort(
                        frame=frame, time_ns=time_ns, received=answered, excerpt=excerpt
                    )
                )

    def finish(self, mark: Mark) -> None:
        """Say what stayed short or was too much now that neither side sends any more."""
        self.end(self._device, mark)
        self.end(self._cloud, mark)
        if not self._device.position:
            self.hear_device(mark)
        self._say_odd_size(mark)
        if self._unsigned is not None and self._device.position <= layouts.IDENTITY_SIZE:
            # Asked last, and only where the device took it for none either: few clouds err so.
            self._log.add_all(find_misplaced(self._keyring, *self._unsigned))

    def _take_step(self) -> bool:
        """Take one step if its bytes are whole and its turn has come."""
        cloud, device = self._cloud, self._device
        if not self._nonce_settled and cloud.has(Step.NONCE, borne_out=device.received > 0):
            self._take_nonce()
        elif self._nonce_settled and device.has(
            Step.IDENTITY, borne_out=cloud.position > layouts.NONCE_SIZE
        ):
            self._take_identity()
        elif (
            self._identity_passed
            and cloud.has(Step.CREDENTIALS, borne_out=device.position > layouts.IDENTITY_SIZE)
            and not self._is_foreign()
        ):
            self._take_credentials()
        elif device.step is not Step.RECORDS and device.overflows:
            self._give_up(device)
        elif cloud.step is not Step.RECORDS and cloud.overflows:
            self._give_up(cloud)
        else:
            return False
        return True

    def _is_foreign(self) -> bool:
        """Tell whether what follows the nonce is the rest of some other protocol's greeting.

        Credentials answer an identity: what came before it, or goes on with a text, is none.
        """
        flawed = self._nonce is not None and bool(self._nonce.flaws)
        return self._surplus >= (1 if flawed else layouts.CREDENTIALS_SIZE)

    def _take_nonce(self) -> None:
        cloud = self._cloud
        beginning, waiting = cloud.beginning, cloud.buffer.captured
        taken = cloud.buffer.take(layouts.NONCE_SIZE)
        cloud.advance()
        surplus = 0 if self._device.position else waiting - len(taken.data or taken.head)
        self._say_nonce(taken, beginning, surplus)

    def _say_nonce(self, taken: Taken, beginning: bytes, surplus: int) -> None:
        flaws, looks_like = inspect_nonce(beginning)
        self._nonce = NonceReceived(
            frame=taken.mark.frame,
            time_ns=taken.mark.time_ns,
            nonce=taken.data,
            flaws=flaws,
            looks_like=looks_like,
            excerpt=beginning if flaws else b"",
            surplus=surplus,
        )
        self._nonce_settled = True
        self._log.add(self._nonce)

    def _take_identity(self) -> None:
        taken = self._device.buffer.take(layouts.IDENTITY_SIZE)
        self._device.advance()
        self._say_identity(taken)

    def _say_identity(self, taken: Taken) -> None:
        self._identity_passed = True
        nonce = self._nonce
        early = nonce is None or (nonce.nonce is not None and taken.mark.frame < nonce.frame)
        self._log.add(
            IdentitySent(
                frame=taken.mark.frame,
                time_ns=taken.mark.time_ns,
                blob=taken.data,
                pieces=taken.pieces,
                before_nonce=early,
            )
        )
        if taken.data is not None:
            tests = list(
                try_identity(self._keyring, taken.data, nonce.nonce if nonce else None, taken.mark)
            )
            self._sent_keys = tuple(
                test.device_key for test in tests if test.device_key and test.state in _ID_KNOWN
            )
            self._log.add_all(tests)

    def _take_credentials(self) -> None:
        ciphertext = self._cloud.buffer.take(layouts.CIPHERTEXT_SIZE)
        signature = self._cloud.buffer.take(layouts.SIGNATURE_SIZE)
        self._cloud.advance()
        self._say_credentials(ciphertext, signature)

    def _say_credentials(self, ciphertext: Taken, signature: Taken) -> None:
        self._credentials_passed = self._credentials_settled = True
        mark = signature.mark
        self._log.add(
            CredentialsReceived(
                frame=mark.frame,
                time_ns=mark.time_ns,
                ciphertext=ciphertext.data,
                signature=signature.data,
            )
        )
        mac = None
        if signature.data is not None:
            signed = try_signature(self._keyring, signature.data, mark)
            self._log.add_all(signed.events)
            mac = signed.mac
            if mac is None and ciphertext.data is not None:
                self._unsigned = ciphertext.data + signature.data, mark
        if ciphertext.data is not None:
            opened = try_credentials(self._keyring, ciphertext.data, mac, self._sent_keys, mark)
            self._log.add_all(opened.events)
            self._log.add_all(self._decryptor.learn(opened.candidates, mark))

    def _give_up(self, side: Side) -> None:
        """Take a side that sends far more than a handshake holds for some other protocol."""
        side.give_up()
        if side is self._cloud:
            self._nonce_settled = self._credentials_settled = True
        first = side.buffer.first_mark()
        self._log.add(
            FramingLost(
                frame=first.frame,
                time_ns=first.time_ns,
                direction=side.direction,
                offset=side.buffer.offset,
                problem="bad_length",
                excerpt=side.buffer.peek(_LOST_EXCERPT),
            )
        )

    def _say_odd_size(self, mark: Mark) -> None:
        """Say that more than the credentials came although the device never spoke again."""
        cloud = self._cloud
        if not self._credentials_passed or self.may_read_records(cloud):
            return
        waiting = cloud.buffer.peek(HELD)
        if waiting and not is_chain(waiting):
            received = layouts.CREDENTIALS_SIZE + cloud.buffer.captured
            cloud.buffer.take(len(cloud.buffer))
            self._log.add(
                CredentialsOddSize(frame=mark.frame, time_ns=mark.time_ns, received=received)
            )


def _whole(piece: StreamData, data: bytes) -> Taken:
    return Taken(data, data, 1, False, Mark(piece.frame, piece.time_ns))
