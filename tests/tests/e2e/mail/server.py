"""Mail servers that check what they are sent, by aiosmtpd: one for each way to log in, all behind STARTTLS.

Arguments: the files of a certificate and of its key. The first line that is printed names the ports, every further one is a
message or a login that failed, as JSON.
"""

import email
import email.policy
import hashlib
import hmac
import json
import socket
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, MISSING

USER, PASSWORD, SECRET = "user@mail.test", "pass word", "shared secret"
BUILT_IN = {"PLAIN", "LOGIN"}


LOCK = threading.Lock()


def say(**what):
    # Each server has its thread.
    with LOCK:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


class Handler:
    def __init__(self, mechanism):
        self.mechanism = mechanism

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.SMTP)
        parts = [
            {"type": part.get_content_type(), "text": part.get_content()}
            for part in message.walk()
            if not part.is_multipart()
        ]
        say(
            mechanism=self.mechanism,
            is_tls=session.ssl is not None,
            is_logged_in=session.authenticated,
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            headers={name: str(value) for name, value in message.items()},
            parts=parts,
            defects=[repr(defect) for defect in message.defects],
        )
        return "250 taken"


class CramHandler(Handler):
    """RFC 2195, which aiosmtpd leaves to its users."""

    async def auth_CRAM__MD5(self, server, arguments):
        challenge = b"<1896.697170952@mail.test>"
        answer = await server.challenge_auth(challenge)
        if answer is MISSING:
            return AuthResult(success=False)
        user, _, digest = answer.decode().rpartition(" ")
        wanted = hmac.new(SECRET.encode(), challenge, hashlib.md5).hexdigest()
        is_right = user == USER and hmac.compare_digest(digest, wanted)
        if not is_right:
            say(mechanism=self.mechanism, failed=True)
        return AuthResult(success=is_right, handled=False, auth_data=user)


def authenticator(mechanism):
    def check(server, session, envelope, used, data):
        is_right = used == mechanism and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        if not is_right:
            say(mechanism=mechanism, failed=True)
        return AuthResult(success=is_right, handled=False)

    return check


def port_of(controller):
    return controller.server.sockets[0].getsockname()[1]


def start(mechanism, context):
    is_built_in = mechanism in BUILT_IN
    handler = Handler(mechanism) if is_built_in else CramHandler(mechanism)
    options = {"authenticator": authenticator(mechanism)} if is_built_in else {}
    controller = Controller(
        handler,
        hostname="127.0.0.1",
        port=0,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        auth_exclude_mechanism=sorted(BUILT_IN - {mechanism}),
        ready_timeout=30,
        **options,
    )

    def greet():
        # The port is the system's choice, which the controller does not expect.
        with socket.create_connection(("127.0.0.1", port_of(controller)), 30) as connection:
            connection.recv(1024)

    controller._trigger_server = greet
    controller.start()
    return controller


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    controllers = {mechanism: start(mechanism, context) for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5")}
    say(**{name: port_of(controller) for name, controller in controllers.items()})
    # Until the test closes our input.
    sys.stdin.read()
    for controller in controllers.values():
        controller.stop()


main()
