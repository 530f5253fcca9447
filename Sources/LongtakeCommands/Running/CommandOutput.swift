import LongtakeCore

/// What a run does with a line of its program's output. It is a pure value, and it holds a constant
/// number of bytes: ``mostBytesHeld``.
struct CommandOutput {
    /// One of the pipes of a program.
    enum Stream: Int, Hashable, Sendable, CaseIterable {
        case output, error
    }

    /// What a run has to do because of a line.
    enum Action: Hashable, Sendable {
        case report(StageReport)
        case artifact(StageMessage.ArtifactNote)
        /// ``CommandOutput/output`` has changed.
        case output(JSONValue)
        /// ``CommandOutput/error`` has changed.
        case error(StageMessage.ErrorNote)
    }

    private let usesProtocol: Bool
    private var splitters: [LineSplitter]
    private var reader: ProgressReader
    private var tail = OutputTail()
    private var progress: Progress
    private var message = ""
    private(set) var output: JSONValue?
    private(set) var error: StageMessage.ErrorNote?
    /// The lines for the log, since they were last taken. A chunk of output adds less than four
    /// times its own size.
    private var log: [UInt8] = []

    init(_ work: CommandWork, from progress: Progress) {
        usesProtocol = work.usesProtocol
        // Progress bars use carriage returns. A program with the protocol writes lines.
        let ends = !work.usesProtocol
        splitters = [LineSplitter(endsAtCarriageReturn: ends), LineSplitter(endsAtCarriageReturn: ends)]
        reader = ProgressReader(work.usesProtocol ? nil : work.progress)
        self.progress = progress
    }

    /// The largest number of bytes of unfinished lines that this value has held.
    var mostBytesHeld: Int { splitters.reduce(0) { $0 + $1.mostBytesHeld } }

    /// The end of the standard error, for the error of the attempt; `nil` for nothing.
    var detail: String? { tail.text }

    /// A chunk of output was read. ``next(_:from:)`` must follow until it returns `nil`.
    mutating func begin(_ stream: Stream, _ chunk: ArraySlice<UInt8>) {
        if stream == .error { tail.add(chunk) }
        reader.beginChunk()
    }

    /// Handles the lines of a chunk, up to the next line that causes actions.
    /// - Parameter rest: the bytes that are not handled yet.
    /// - Returns: `nil` if `rest` is used up.
    mutating func next(_ stream: Stream, from rest: inout ArraySlice<UInt8>) -> [Action]? {
        while let line = splitters[stream.rawValue].next(from: &rest) {
            let actions = handle(line, stream)
            if !actions.isEmpty { return actions }
        }
        return nil
    }

    /// Handles the last line of a stream, which may have no end.
    mutating func finish(_ stream: Stream) -> [Action] {
        splitters[stream.rawValue].finish().map { handle($0, stream) } ?? []
    }

    /// Adds a line of the daemon itself to the log.
    mutating func note(_ text: String) {
        log += PlainText.line(Array("longtake: \(text)".utf8))
        log.append(0x0a)
    }

    /// Takes the lines for the log.
    mutating func takeLog() -> [UInt8] {
        defer { log.removeAll(keepingCapacity: log.count <= LineSplitter.maximumLineBytes) }
        return log
    }

    private mutating func handle(_ line: LineSplitter.Line, _ stream: Stream) -> [Action] {
        guard usesProtocol else { return handlePlain(line) }
        guard stream == .output, !line.isCut, let message = StageMessage(line: line.bytes) else {
            addToLog(line)
            return []
        }
        return handle(message)
    }

    private mutating func handlePlain(_ line: LineSplitter.Line) -> [Action] {
        let (finding, isHidden) = reader.read(line.bytes[...])
        if !isHidden { addToLog(line) }
        guard let finding, finding.progress >= progress else { return [] }
        (progress, message) = (finding.progress, finding.message)
        return [.report(StageReport(progress: progress, message: message))]
    }

    private mutating func handle(_ message: StageMessage) -> [Action] {
        var actions: [Action] = []
        if let report = message.report {
            progress = max(progress, Progress(report.progress ?? 0))
            self.message = report.message ?? self.message
            let checkpoint = report.checkpoint.flatMap { accepted($0, "checkpoint", Limits.checkpointBytes) }
            actions.append(
                .report(StageReport(progress: progress, message: self.message, checkpoint: checkpoint)))
        }
        if let artifact = message.artifact { actions.append(.artifact(artifact)) }
        if let output = message.output.flatMap({ accepted($0, "output", Limits.outputBytes) }) {
            self.output = output
            actions.append(.output(output))
        }
        if let error = message.error {
            if error.code == nil { note("an error without a valid code gets the code stage_failed") }
            self.error = error
            actions.append(.error(error))
        }
        return actions
    }

    /// The value; `nil`, with a line in the log, if its JSON text is too long.
    private mutating func accepted(_ value: JSONValue, _ name: String, _ limit: Int) -> JSONValue? {
        var json = JSONWriter(capacity: 256)
        json.value(value)
        guard json.bytes.count > limit else { return value }
        note("the \(name) has \(json.bytes.count) bytes and was dropped; the limit is \(limit)")
        return nil
    }

    private mutating func addToLog(_ line: LineSplitter.Line) {
        log += PlainText.line(line.bytes)
        if line.isCut { log.append(" [the line was cut]" as StaticString) }
        log.append(0x0a)
    }
}
