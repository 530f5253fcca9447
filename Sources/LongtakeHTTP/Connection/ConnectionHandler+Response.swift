import HTTPTypes
import Hummingbird
import LongtakeCore
import LongtakeStream
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// How the connection handles a request and writes its response.
extension ConnectionHandler {
    /// How long a refused client may continue to send before the connection closes: long enough for
    /// the response to arrive.
    private static let lingering = TimeAmount.seconds(2)

    func respond(to head: HTTPRequestHead, _ body: RequestBody) {
        isHTTP10 = head.version == .http1_0
        let (service, loop) = (service, channel.eventLoop)
        let handler = NIOLoopBound(self, eventLoop: loop)
        let exchange = service.exchange(head.headers, from: channel.remoteAddress)
        self.exchange = exchange
        record = service.accessLog.begin(head, exchange, at: arriving?.at ?? loop.now)
        // A stream may run for hours and must not keep the headers of its request in memory. The
        // rest of an upload may still be refused.
        if upload == nil {
            arriving = nil
        } else {
            exchange.whenInformed { head in loop.execute { handler.value.inform(head) } }
        }
        // The routes are asynchronous, the event loop is not. The task ends with its response, and
        // is cancelled with the connection.
        task = service.hub.tasks.start { [service] in
            let response = await service.respond(to: head, body, exchange)
            loop.execute { handler.value.send(response) }
        }
    }

    private func send(_ prepared: RequestService.PreparedResponse) {
        (task, exchange) = (nil, nil)
        // Otherwise the connection has closed, or has refused the rest of an upload.
        guard context != nil, state.answerBegins() else { return }
        cutUpload()
        record?.status = prepared.response.status.code
        if let opening = prepared.stream, !prepared.isHead, state.state == .responding {
            begin(opening, prepared.response)
        } else {
            if prepared.closesConnection { _ = state.drain() }
            guard prepared.stream == nil else { return sendStreamHead(prepared.response) }
            write(.head(head(prepared.response, length: prepared.length)))
            guard !prepared.isHead, prepared.length > 0 else { return endResponse() }
            if let file = prepared.file { return sendFile(file) }
            writeBody(prepared.body, prepared.reservation)
        }
    }

    /// Responds to a `HEAD` request for a stream and closes the connection. The encoder does not
    /// know that the request was a `HEAD`, and would end the response with a chunk.
    private func sendStreamHead(_ response: Response) {
        _ = state.drain()
        write(.head(head(response, length: nil)))
        context?.flush()
        writeRecord(nil)
        perform(state.responseEnded())
    }

    /// Writes the body and ends the response when the kernel has taken all of it. Until then no
    /// other request starts, so unread responses cannot pile up.
    ///
    /// Each piece has a deadline. A slow client gets the whole body; a client that reads nothing is
    /// disconnected.
    /// - Parameter reservation: released when the kernel has taken the body.
    private func writeBody(_ body: ByteBuffer, _ reservation: ResponseBudget.Reservation?) {
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        startDeadline(TimeAmount(StreamLimits.writeDeadline))
        var rest = body
        while let piece = rest.readSlice(length: min(rest.readableBytes, HTTPLimits.responsePieceBytes)),
            piece.readableBytes > 0
        {
            let (isLast, bytes) = (rest.readableBytes == 0, piece.readableBytes)
            let written = channel.eventLoop.makePromise(of: Void.self)
            written.futureResult.whenComplete { result in
                if case .success = result {
                    handler.value.record?.bytes += bytes
                } else {
                    handler.value.writeRecord(.client)
                }
                if isLast {
                    withExtendedLifetime(reservation) {}
                    handler.value.endResponse()
                } else if case .success = result {
                    handler.value.startDeadline(TimeAmount(StreamLimits.writeDeadline))
                }
            }
            write(.body(.byteBuffer(piece)), promise: written)
        }
        context?.flush()
    }

    func endResponse(_ end: StreamClose? = nil) {
        writeRecord(end)
        // Writing the end delivers a pipelined request before it returns. So the state must change
        // first.
        let action = state.responseEnded()
        if case .linger = action {
            // The client still sends, so the end of the response is followed by a moment of
            // reading.
            writeEnd()
            return linger()
        }
        guard case .close = action else {
            perform(action)
            writeEnd()
            if state.parserStops == true, !isBare { replaceParser() }
            return
        }
        // Closing discards what the kernel has not taken, so the end is written first. A client
        // that does not read it has a deadline.
        let channel = channel
        let written = channel.eventLoop.makePromise(of: Void.self)
        let timeout = channel.eventLoop.scheduleTask(in: TimeAmount(StreamLimits.writeDeadline)) {
            // A reset tells the client that the response is incomplete.
            StreamSocket(channel).resetAtClose()
            channel.close(promise: nil)
        }
        written.futureResult.whenComplete { _ in
            timeout.cancel()
            channel.close(promise: nil)
        }
        writeEnd(promise: written)
    }

    /// Writes the end of the body. After a stream, the connection gets new HTTP handlers.
    private func writeEnd(promise: EventLoopPromise<Void>? = nil) {
        guard isBare else {
            write(.end(nil), promise: promise)
            context?.flush()
            return
        }
        guard let context = byteHandler?.context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let end = isHTTP10 ? ByteBuffer() : ByteBuffer(staticString: HTTPChunk.last)
        context.writeAndFlush(NIOAny(end), promise: promise)
        guard state.isKept else { return }
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        // The old handlers are gone by the loop's next turn, and no bytes are read before that.
        removal?.whenComplete { _ in handler.value.addHTTPHandlers() }
    }

    /// The status line and all headers, including those that every response has.
    /// - Parameter length: `nil` if the length of the body is not known.
    func head(_ response: Response, length: Int?) -> HTTPResponseHead {
        var headers = HTTPHeaders(response.headers)
        headers.remove(name: "content-length")
        // The Content-Length of a 304 would have to be that of the 200 (RFC 9110 §8.6).
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

    /// Responds with a problem and closes the connection.
    ///
    /// The request may be incomplete, so the response bypasses the handler that keeps requests and
    /// responses in order.
    func refuse(_ problem: Problem) {
        guard let context,
            let below = try? context.pipeline.syncOperations.context(handlerType: HTTPServerPipelineHandler.self)
        else { return }
        service.count(refusal: problem)
        let body = problem.body
        var response = problem.response()
        let head = arriving?.head
        // The route of an upload already runs. It is cancelled, and its response is dropped.
        let exchange = self.exchange ?? service.exchange(head?.headers ?? [:], from: channel.remoteAddress)
        task?.cancel()
        (task, self.exchange) = (nil, nil)
        cutUpload()
        service.addCommonHeaders(to: &response, for: head?.headers.first(name: "origin"), exchange)
        record = record ?? service.accessLog.begin(head, exchange, at: arriving?.at ?? channel.eventLoop.now)
        record?.status = problem.status.code
        record?.bytes = body.readableBytes
        writeRecord(nil)
        let responseHead = self.head(response, length: body.readableBytes)
        below.write(NIOAny(HTTPServerResponsePart.head(responseHead)), promise: nil)
        below.write(NIOAny(HTTPServerResponsePart.body(.byteBuffer(body))), promise: nil)
        below.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil)), promise: nil)
        linger()
    }

    /// Closes the connection after a response to a request that is still arriving.
    ///
    /// If unread bytes are left, a close resets the connection and the client may lose the
    /// response. So the daemon closes its sending side and reads the rest for a moment.
    func linger() {
        channel.close(mode: .output, promise: nil)
        startDeadline(Self.lingering)
        byteHandler?.continueReading()
    }

    func write(_ part: HTTPServerResponsePart, promise: EventLoopPromise<Void>? = nil) {
        guard let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(wrapOutboundOut(part), promise: promise)
    }
}
