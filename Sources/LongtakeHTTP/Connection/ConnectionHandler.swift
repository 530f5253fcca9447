import HTTPTypes
import Hummingbird
import Logging
import LongtakeCore
import LongtakeStream
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// Performs what ``ConnectionState`` decides, on the connection's event loop: the routes answer in a task that lives for that answer only,
/// and where the answer is a stream, this handler is its sink.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    let service: RequestService
    let channel: any Channel
    var state = ConnectionState()
    var context: ChannelHandlerContext?
    var watch: InboundWatch?
    /// While it waits for a request, and might have to make room.
    private var stay: IdleConnections<ConnectionHandler>.Stay?
    private var alarm = ConnectionAlarm()
    private var timer: Scheduled<Void>?
    private var answer: Task<Void, Never>?
    /// While the routes answer.
    private var exchange: RequestExchange?
    /// Of the request that is under way; `nil` if the access log does not want it.
    var record: AccessRecord?
    var stream: StreamSubscriber?
    var socket: StreamSocket?
    var isHTTP10 = false
    /// The head of the request that is under way, and when it arrived.
    var arriving: (head: HTTPRequestHead, at: NIODeadline)?
    /// Whether a stream runs without the handlers that speak HTTP.
    private var isBare = false
    private var removal: EventLoopFuture<Void>?
    /// Bytes behind a request that the old parser handed on when it left, for the new one.
    private var leftOver = ByteBuffer()

    /// How long a refused client may go on sending before the connection is cut: long enough for the answer to arrive.
    private static let lingering = TimeAmount.seconds(2)

    init(service: RequestService, channel: any Channel) {
        self.service = service
        self.channel = channel
    }

    /// Adds this connection's handlers to its channel.
    static func install(on channel: any Channel, service: RequestService) throws {
        let handler = ConnectionHandler(service: service, channel: channel)
        let watch = InboundWatch(handler)
        handler.watch = watch
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(watch)
        try pipeline.addHandler(handler)
        try HTTPHandlers.add(to: pipeline, behind: watch)
    }

    // MARK: From the channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        service.connections.add(self, on: channel)
        perform(.awaitNext)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.connectionClosed()
        writeRecord(.client)
        silence()
        setIdle(false)
        answer?.cancel()
        stream?.connectionClosed()
        service.connections.remove(self)
        (stream, socket, watch, self.context) = (nil, nil, nil, nil)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isBare else {
            if state.state == .streaming {
                // A request, or the beginning of one, that came together with the stream's. The connection closes behind the stream, and a
                // client that sent more without waiting sends it again (RFC 9112 §9.3.2).
                _ = state.drain()
            } else if let watch {
                leftOver.writeImmutableBuffer(watch.unwrapInboundIn(data))
            }
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let head):
            arriving = (head, channel.eventLoop.now)
            // A pipelined request's bytes came while another was answered; its time begins here.
            perform(state.bytesArrived())
            perform(state.headArrived(head))
        case .body(let bytes): perform(state.bodyArrived(bytes))
        case .end(let trailers): perform(state.endArrived(trailers))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else {
            // The socket failed; the channel closes and tells so by itself, or is closed here.
            return context.close(promise: nil)
        }
        perform(state.parsingFailed(error == .headerOverflow ? .headTooLarge : .malformedRequest))
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stream?.roomChanged()
        context.fireChannelWritabilityChanged()
    }

    /// - Returns: whether the bytes are to be read as HTTP.
    func bytesArrived() -> Bool {
        perform(state.bytesArrived())
        return state.state != .refused && state.state != .closed
    }

    func inputClosed() {
        exchange?.inputClosed()
        perform(state.inputClosed())
    }

    func drain() { perform(state.drain()) }

    // MARK: Performing

    private func perform(_ action: ConnectionState.Action) {
        switch action {
        case .nothing:
            break
        case .expectRequest:
            setIdle(false)
            startTimer(TimeAmount(Limits.requestDeadline))
        case .sendContinue:
            write(.head(HTTPResponseHead(version: .http1_1, status: .continue)))
            context?.flush()
        case .answer(let request):
            alarm.stop()
            respond(to: request)
        case .refuse(let problem):
            refuse(problem)
        case .awaitNext:
            setIdle(true)
            startTimer(TimeAmount(Limits.idleConnection))
        case .probe:
            stream?.inputClosed()
        case .close:
            context?.close(promise: nil)
        }
    }

    /// Another connection needs the place.
    func makeRoom() {
        stay = nil
        perform(state.drain())
    }

    private func setIdle(_ isIdle: Bool) {
        let register = service.connections.idle
        if let stay { register.remove(stay, on: channel.eventLoop) }
        stay = isIdle ? register.add(self, on: channel.eventLoop) : nil
    }

    private func startTimer(_ time: TimeAmount) { perform(alarm.start(channel.eventLoop.now + time)) }

    private func perform(_ action: ConnectionAlarm.Action) {
        switch action {
        case .nothing:
            break
        case .set(let time):
            timer?.cancel()
            let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
            timer = channel.eventLoop.scheduleTask(deadline: time) {
                let handler = handler.value
                handler.perform(handler.alarm.rang(at: handler.channel.eventLoop.now))
            }
        case .passed:
            perform(state.deadlinePassed())
        }
    }

    private func silence() {
        timer?.cancel()
        timer = nil
        alarm.silenced()
    }

    private func respond(to request: ConnectionState.Received) {
        isHTTP10 = request.head.version == .http1_0
        let (service, loop) = (service, channel.eventLoop)
        let handler = NIOLoopBound(self, eventLoop: loop)
        let exchange = service.exchange(request.head.headers, from: channel.remoteAddress)
        self.exchange = exchange
        record = service.accessLog.begin(request.head, exchange, at: arriving?.at ?? loop.now)
        // A stream may stay for hours, and must not keep its request's headers.
        arriving = nil
        // Routes are asynchronous and the loop is not; the task ends with its answer, and is cancelled with the connection.
        answer = service.hub.tasks.start { [service] in
            let answer = await service.answer(request, exchange)
            loop.execute { handler.value.answered(answer) }
        }
    }

    private func answered(_ answer: RequestService.Answer) {
        (self.answer, exchange) = (nil, nil)
        guard context != nil else { return }
        record?.status = answer.response.status.code
        if let opening = answer.stream, !answer.isHead {
            begin(opening, answer.response)
        } else {
            if answer.closesConnection { _ = state.drain() }
            guard answer.stream == nil else { return answerHead(answer.response) }
            write(.head(head(answer.response, length: answer.length)))
            guard !answer.isHead, answer.body.readableBytes > 0 else { return endResponse() }
            writeWhole(answer.body, answer.room)
        }
    }

    /// Answers the HEAD of a stream, and closes: the encoder knows no HEAD, and would end this with a chunk that belongs to nothing.
    private func answerHead(_ response: Response) {
        _ = state.drain()
        write(.head(head(response, length: nil)))
        context?.flush()
        writeRecord(nil)
        perform(state.responseEnded())
    }

    /// Ends the response when the kernel has taken its body, so that who sends requests but reads no answers cannot pile them up here. Each
    /// piece of it has a deadline, so a client that is slow gets all, and one that takes nothing is cut off.
    /// - Parameter room: kept until then.
    private func writeWhole(_ body: ByteBuffer, _ room: AnswerRoom.Part?) {
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        startTimer(TimeAmount(Limits.writeDeadline))
        var rest = body
        while let piece = rest.readSlice(length: min(rest.readableBytes, Limits.answerPiece)), piece.readableBytes > 0 {
            let (isLast, bytes) = (rest.readableBytes == 0, piece.readableBytes)
            let written = channel.eventLoop.makePromise(of: Void.self)
            written.futureResult.whenComplete { result in
                if case .success = result {
                    handler.value.record?.bytes += bytes
                } else {
                    handler.value.writeRecord(.client)
                }
                if isLast {
                    withExtendedLifetime(room) {}
                    handler.value.endResponse()
                } else if case .success = result {
                    handler.value.startTimer(TimeAmount(Limits.writeDeadline))
                }
            }
            write(.body(.byteBuffer(piece)), promise: written)
        }
        context?.flush()
    }

    private func begin(_ opening: StreamOpening, _ response: Response) {
        if isHTTP10 { _ = state.drain() }
        let action = state.beganStreaming()
        // A stream has its deadlines with the others of its loop, and may stay for hours.
        silence()
        let (socket, stream) = (
            StreamSocket(channel), service.hub.makeStream(opening, on: channel.eventLoop, sink: self)
        )
        (self.socket, self.stream) = (socket, stream)
        write(.head(head(response, length: nil)), promise: socket.promise())
        stream.start(opening)
        // A stream that ended at once has let go already, and the connection may be at its next request.
        guard self.stream != nil else { return }
        isBare = true
        removal = HTTPHandlers.remove(from: channel)
        watch?.readOn()
        perform(action)
    }

    func endResponse(_ end: StreamClose? = nil) {
        writeRecord(end)
        // Writing the end delivers a pipelined request before it returns, so the state is ready for one by then.
        let action = state.responseEnded()
        guard case .close = action else {
            perform(action)
            writeEnd()
            if state.parserStops == true, !isBare { replaceParser() }
            return
        }
        // Closing drops what the kernel has not taken, so the end goes first; a client that does not take it has a deadline.
        let channel = channel
        let written = channel.eventLoop.makePromise(of: Void.self)
        let cut = channel.eventLoop.scheduleTask(in: TimeAmount(Limits.writeDeadline)) {
            // Cut, so that nobody takes what has arrived for the whole.
            StreamSocket(channel).resetAtClose()
            channel.close(promise: nil)
        }
        written.futureResult.whenComplete { _ in
            cut.cancel()
            channel.close(promise: nil)
        }
        writeEnd(promise: written)
    }

    /// Writes what ends the body. Behind a stream, the connection learns HTTP again for its next request.
    private func writeEnd(promise: EventLoopPromise<Void>? = nil) {
        guard isBare else {
            write(.end(nil), promise: promise)
            context?.flush()
            return
        }
        guard let below = watch?.context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        below.writeAndFlush(NIOAny(ByteBuffer(string: isChunked ? "0\r\n\r\n" : "")), promise: promise)
        guard state.isKept else { return }
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        // The old handlers leave on the loop's next turn at the latest, and no byte is read before that.
        removal?.whenComplete { _ in handler.value.learnHTTP() }
    }

    /// Behind a response whose request asked to change the protocol: the parser reads nothing behind such a request.
    private func replaceParser() {
        isBare = true
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        HTTPHandlers.remove(from: channel).whenComplete { _ in handler.value.learnHTTP() }
    }

    /// Adds new HTTP handlers for the connection's next request.
    private func learnHTTP() {
        isBare = false
        removal = nil
        guard let watch, state.isKept else { return channel.close(promise: nil) }
        do {
            try HTTPHandlers.add(to: channel.pipeline.syncOperations, behind: watch)
        } catch {
            return channel.close(promise: nil)
        }
        guard leftOver.readableBytes > 0 else { return }
        let bytes = leftOver
        leftOver = ByteBuffer()
        watch.deliver(bytes)
    }

    /// The status line and headers: ours, with what every response has. `length` is `nil` where the body's end is not known.
    private func head(_ response: Response, length: Int?) -> HTTPResponseHead {
        var headers = HTTPHeaders(response.headers)
        headers.remove(name: "content-length")
        // A 304 would have to give the length of the 200 (RFC 9110 §8.6).
        if let length, response.status != .noContent, response.status != .notModified {
            headers.add(name: "content-length", value: String(length))
        }
        headers.add(name: "date", value: service.date())
        if !state.isKept {
            headers.add(name: "connection", value: "close")
        } else if isHTTP10 || length == nil {
            headers.add(name: "connection", value: "keep-alive")
        }
        return HTTPResponseHead(
            version: isHTTP10 ? .http1_0 : .http1_1, status: .init(statusCode: response.status.code), headers: headers)
    }

    /// Writes below the handler that keeps requests and responses in step, since what is answered here may be half a request.
    private func refuse(_ problem: Problem) {
        guard let context,
            let below = try? context.pipeline.syncOperations.context(handlerType: HTTPServerPipelineHandler.self)
        else { return }
        service.count(refusal: problem)
        let body = problem.body
        var response = problem.response()
        let head = arriving?.head
        let exchange = service.exchange(head?.headers ?? [:], from: channel.remoteAddress)
        service.dress(&response, for: head?.headers.first(name: "origin"), exchange)
        record = service.accessLog.begin(head, exchange, at: arriving?.at ?? channel.eventLoop.now)
        record?.status = problem.status.code
        record?.bytes = body.readableBytes
        writeRecord(nil)
        let responseHead = self.head(response, length: body.readableBytes)
        below.write(NIOAny(HTTPServerResponsePart.head(responseHead)), promise: nil)
        below.write(NIOAny(HTTPServerResponsePart.body(.byteBuffer(body))), promise: nil)
        below.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil)), promise: nil)
        // Closing with unread bytes would reset the connection and could take the answer with it: end our side, read away the other.
        channel.close(mode: .output, promise: nil)
        startTimer(Self.lingering)
        watch?.readOn()
    }

    private func write(_ part: HTTPServerResponsePart, promise: EventLoopPromise<Void>? = nil) {
        guard let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(wrapOutboundOut(part), promise: promise)
    }
}
