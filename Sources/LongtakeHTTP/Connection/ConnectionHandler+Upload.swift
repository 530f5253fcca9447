import Hummingbird
import LongtakeCore
import NIOCore
import NIOHTTP1

/// An upload on its connection.
struct IncomingUpload {
    let body: UploadBody
    var pace = UploadPace()
    /// Whether the connection has stopped reading the socket.
    var isHeld = false
}

/// The connection while the body of an upload arrives.
extension ConnectionHandler {
    /// The largest TCP window of an upload. It bounds what the kernel holds, and what arrives at
    /// once when a client closes its sending side. At 100 ms this allows 10 MB/s.
    private static let windowBytes: CInt = 1024 * 1024

    /// Starts the route, before any byte of the body.
    func beginUpload(_ head: HTTPRequestHead) {
        let (loop, handler) = (channel.eventLoop, NIOLoopBound(self, eventLoop: channel.eventLoop))
        let body = UploadBody(memory: service.uploadMemory) { loop.execute { handler.value.uploadIsWanted() } }
        upload = IncomingUpload(body: body)
        deadline.stop()
        StreamSocket(channel).limitWindow(to: Self.windowBytes)
        respond(to: head, RequestBody(asyncSequence: body))
        // A client that waits for `100 Continue` sends nothing until the route asks for it.
        if !state.awaitsContinue { runPace() }
    }

    /// The route wants bytes.
    private func uploadIsWanted() {
        guard let held = upload?.isHeld else { return }
        let awaited = state.awaitsContinue
        perform(state.bodyWanted())
        if held, upload?.body.hasRoom == true { holdUpload(false) }
        if held || awaited { runPace() }
    }

    func uploadArrived(_ bytes: ByteBuffer) {
        guard upload != nil else { return }
        let before = upload?.pace.deadline
        let now = channel.eventLoop.now
        upload?.pace.run(at: now)
        upload?.pace.received(bytes.readableBytes, at: now)
        if upload?.body.append(bytes) == false {
            holdUpload(true)
            upload?.pace.pause()
            deadline.stop()
        } else if let deadline = upload?.pace.deadline, deadline != before {
            startDeadline(deadline - now)
        }
    }

    /// The body is complete. The route may still have to read the rest.
    func uploadEnded() {
        deadline.stop()
        holdUpload(false)
        upload?.body.finish()
    }

    /// The route gets no more bytes, and what still arrives is discarded.
    func cutUpload() {
        guard let upload else { return }
        deadline.stop()
        holdUpload(false)
        self.upload = nil
        upload.body.cut()
    }

    private func runPace() {
        guard state.state == .uploading, upload?.isHeld == false else { return }
        upload?.pace.run(at: channel.eventLoop.now)
        if let deadline = upload?.pace.deadline { startDeadline(deadline - channel.eventLoop.now) }
    }

    private func holdUpload(_ isHeld: Bool) {
        guard let upload, upload.isHeld != isHeld else { return }
        self.upload?.isHeld = isHeld
        // This fails only if the connection is closed.
        try? channel.syncOptions?.setOption(.autoRead, value: !isHeld)
    }

    /// Sends an interim response before the response (RFC 9110 §15.2).
    func inform(_ head: HTTPResponseHead) {
        guard upload != nil, !isHTTP10 else { return }
        write(.head(head))
        context?.flush()
    }
}
