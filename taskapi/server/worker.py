"""How gunicorn's workers meet their clients: nobody's slowness holds a thread.

The main thread's event loop collects each request, head and body, and hands over to a thread
only what is all there. What a reader does not take at once of its answer is sent by the loop as
well. Every connection that the loop waits for has a moment at which it is given up.
"""

import errno
import io
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from taskapi.server.bodies import HELD_LIMIT, SMALL_BODY, ChunkedBody, SizedBody, body_limit
from taskapi.server.channel import ANSWER_GRACE, PIECE, Patience
from taskapi.server.connection import Connection
from taskapi.server.refusals import REASONS, refusal, status_of

ACCEPT_PAUSE = 0.0002
HEAD_SECONDS = 10.0
BODY_GRACE = 20.0
# A client that is still sending hears the answer only if it may go on for a while.
LINGER_SECONDS, LINGER_BYTES = 5.0, 32 * 1024 * 1024


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn comes without types
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._waiting: set[Connection] = set()
        self._swept_at = 0.0

    def run(self) -> None:
        self.poller.register(
            self.method_queue.fileno(), EVENT_READ, self.method_queue.run_callbacks
        )
        self.set_accept_enabled(True)
        while self.alive and self.is_parent_alive():
            self.notify()
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
            self.wait_for_and_dispatch_events(1.0)
            self._give_up_late_ones()
        self._stop()

    def handle_quit(self, sig: int, frame: Any) -> None:
        """End at once, and once: Ctrl-C comes here from the terminal and from the master as well.

        Gunicorn's own asks the pool, whose lock the interrupted code may hold.
        """
        for each in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(each, lambda *_: None)  # SIG_IGN makes Python complain of one pending
        super(ThreadWorker, self).handle_quit(sig, frame)

    def _stop(self) -> None:
        """Answer everybody who was let in, and nobody else."""
        # Who has connected already would be turned away with the listener.
        for listener in self.sockets:
            while self.accept(listener):
                pass
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        now = time.monotonic()
        for connection in self._waiting:
            if connection.request is None and not connection.received:
                connection.patience.ends_at = min(
                    connection.patience.ends_at, now + STOP_KEEPALIVE_LINGER
                )
        end = now + self.cfg.graceful_timeout
        while self.nr_conns > 0 and time.monotonic() < end:
            self.notify()
            self.wait_for_and_dispatch_events(0.2)
            self._give_up_late_ones()
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    # --- letting in and letting go --------------------------------------------------------------

    def accept(self, listener: socket.socket) -> bool:
        """Let somebody in, if there is somebody."""
        if self.nr_conns and self.cfg.workers > 1:
            time.sleep(ACCEPT_PAUSE)  # whoever has less to do is faster, and all get their share
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room()
            return False
        connection = Connection(self.cfg, accepted, client, listener.getsockname())
        self.nr_conns += 1
        self._wait(connection, self._read_head, Patience(HEAD_SECONDS))
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        return True

    def _make_room(self) -> None:
        """Part with the one that has said nothing for longest; it would be the first to go."""
        idle = [each for each in self._waiting if each.act == self._read_head and not each.received]
        if idle:
            self._close(min(idle, key=lambda each: each.patience.ends_at))

    def _wait(
        self,
        connection: Connection,
        act: Callable[[Connection], None],
        patience: Patience,
        event: int = EVENT_READ,
    ) -> None:
        connection.act, connection.patience = act, patience
        if connection not in self._waiting:
            self.poller.register(connection.sock, event, lambda _: self._go_on(connection))
            self._waiting.add(connection)
        elif event != connection.event:
            self.poller.modify(connection.sock, event, lambda _: self._go_on(connection))
        connection.event = event

    def _go_on(self, connection: Connection) -> None:
        if connection not in self._waiting:
            return  # closed by what happened to another one
        try:
            connection.act(connection)
        except BlockingIOError:
            pass  # nothing there after all
        except OSError:
            self._close(connection)

    def _leave_loop(self, connection: Connection) -> None:
        if connection in self._waiting:
            self._waiting.remove(connection)
            self.poller.unregister(connection.sock)

    def _close(self, connection: Connection) -> None:
        self._leave_loop(connection)
        connection.sock.close()
        self.nr_conns -= 1

    def _give_up_late_ones(self) -> None:
        now = time.monotonic()
        if now - self._swept_at < 0.2:
            return
        self._swept_at = now
        for connection in list(self._waiting):
            if connection.act == self._send_on:
                connection.patience.reward(connection.sock.newly_taken())
            if connection.patience.ends_at > now:
                continue
            is_reading = connection.act in (self._read_head, self._read_body)
            if is_reading and (connection.received or connection.request):
                self._refuse(connection, 408)
            else:
                self._close(connection)

    # --- what comes in ----------------------------------------------------------------------------

    def _read_head(self, connection: Connection) -> None:
        data = connection.sock.recv(PIECE)
        if not data:
            self._close(connection)
            return
        if not connection.received:
            connection.patience = Patience(HEAD_SECONDS)
        connection.received += data
        self._look_at_head(connection)

    def _look_at_head(self, connection: Connection) -> None:
        try:
            if not connection.has_head():
                self._wait(connection, self._read_head, connection.patience)
                return
            connection.parser.unreader.unread(bytes(connection.received))
            request = next(connection.parser)
            self._begin_body(connection, request)
        except ParseException as error:
            self._refuse(connection, status_of(error), error)
        except NoMoreData as error:
            self._refuse(connection, 400, error)
        except StopIteration:
            self._close(connection)

    def _begin_body(self, connection: Connection, request: Any) -> None:
        connection.request = request
        data = connection.parser.unreader.take_buffered()
        connection.received.clear()
        limit = body_limit(request.path)
        reader = request.body.reader
        if isinstance(reader, LengthReader):
            if reader.length > limit:
                # The application will refuse it by its length, unread.
                request.body = io.BytesIO()
                request.force_close()
                request._expected_100_continue = False
                self._hand_over(connection)
                return
            connection.body = SizedBody(reader.length)
        else:
            connection.body = ChunkedBody(limit)
        if request._expected_100_continue:
            request._expected_100_continue = False
            if not data:
                connection.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._wait_for_body(connection, data)

    def _wait_for_body(self, connection: Connection, data: bytes) -> None:
        body = connection.body
        assert body is not None
        if not body.feed(data):
            if connection.act != self._read_body or connection not in self._waiting:
                self._wait(connection, self._read_body, Patience(BODY_GRACE))
            return
        request = connection.request
        if isinstance(body, ChunkedBody):
            # From here on it is a body like any other, and the application sees its length.
            request.headers = [each for each in request.headers if each[0] != "TRANSFER-ENCODING"]
            request.headers.append(("CONTENT-LENGTH", str(len(body.content))))
            if body.is_too_large:
                request.force_close()
        connection.received += body.rest
        request.body = io.BytesIO(body.content)
        self._hand_over(connection)

    def _read_body(self, connection: Connection) -> None:
        data = connection.sock.recv(4 * PIECE)
        if not data:
            self._close(connection)
            return
        connection.patience.reward(len(data))
        try:
            self._wait_for_body(connection, data)
        except ParseException as error:
            self._refuse(connection, 400, error)
        else:
            if connection.body and len(connection.body.content) > SMALL_BODY:
                self._bound_bodies(connection)

    def _bound_bodies(self, connection: Connection) -> None:
        held = sum(len(each.body.content) for each in self._waiting if each.body)
        if held > HELD_LIMIT:
            self._refuse(connection, 503)

    # --- the answer -------------------------------------------------------------------------------

    def _hand_over(self, connection: Connection) -> None:
        connection.body = None
        self._leave_loop(connection)
        self.enqueue_req(connection)

    def handle(self, connection: Connection) -> bool:
        """In a thread of the pool: the application's answer; may there be another request?"""
        try:
            is_kept = bool(self.handle_request(connection.request, connection))
            connection.sock.push()
        except (OSError, StopIteration):  # the client is gone, or its answer was broken off
            return False
        except Exception:
            self.log.exception("Error handling request")
            connection.sock.sendall(refusal(500))
            connection.sock.push()
            return False
        return is_kept

    def finish_request(self, connection: Connection, answered: "Future[bool]") -> None:
        """Back in the loop, once the answer was made."""
        connection.request = None
        connection.is_kept = not answered.cancelled() and answered.result()
        if connection.sock.fileno() < 0:
            self.nr_conns -= 1
        elif connection.sock.has_unsent:
            connection.sock.newly_taken()
            self._wait(connection, self._send_on, Patience(ANSWER_GRACE), EVENT_WRITE)
        else:
            self._settle(connection)

    def _send_on(self, connection: Connection) -> None:
        if connection.sock.send_kept():
            self._settle(connection)

    def _settle(self, connection: Connection) -> None:
        """After an answer: the next request, which may be there already, or a goodbye."""
        if not connection.is_kept:
            self._linger(connection)
            return
        idle = self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER
        is_there = bool(connection.received)
        self._wait(connection, self._read_head, Patience(HEAD_SECONDS if is_there else idle))
        if is_there:
            self._look_at_head(connection)

    def _refuse(self, connection: Connection, status: int, error: Exception | None = None) -> None:
        """The server's own word, where no request reaches the application."""
        # Not the error's text: it quotes the request, which may hold a token.
        reason = type(error).__name__ if error else REASONS[status]
        self.log.info("Refused a request from %s: %s", connection.address, reason)
        connection.sock.sendall(refusal(status))
        try:
            connection.sock.push()
            self._linger(connection)
        except OSError:
            self._close(connection)

    def _linger(self, connection: Connection) -> None:
        """Say that this was all, and let the client finish: to close could cut the answer."""
        connection.request = connection.body = None
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        self._wait(connection, self._discard, Patience(LINGER_SECONDS))

    def _discard(self, connection: Connection) -> None:
        data = connection.sock.recv(4 * PIECE)
        connection.discarded += len(data)
        connection.patience.reward(len(data))
        if not data or connection.discarded > LINGER_BYTES:
            self._close(connection)
