import Logging
import LongtakeCore

/// One run of a program: reads its output until it has ended, and decides how the stage ends.
///
/// One loop handles all events in order, so nothing here is shared. While it stores an artifact or
/// waits for its pace, the pipes fill and hold the program back.
struct CommandRun {
    /// How long the pipes are read after the end of the program.
    static let drainPatience: Duration = .seconds(1)
    /// How often the size of the working directory is measured.
    static let measureInterval: Duration = .seconds(2)
    /// The bytes of one read.
    static let readBytes = 65_536
    /// The reads of the rest of one pipe when the patience is over. A pipe holds at most 1 MiB
    /// (`/proc/sys/fs/pipe-max-size`).
    static let lastReads = 16

    private enum Event: Sendable {
        case readable(CommandOutput.Stream)
        case ended(ProgramEnd)
        /// ``drainPatience`` has passed since the end.
        case drained
        case measured(DirectoryTree.Excess?)
    }

    /// What a run needs of its runner.
    struct Tools {
        let claim: Claim
        let work: CommandWork
        let directory: WorkingDirectory
        let reports: StageReports
        let logs: StageLogs
        let limits: CommandLimits
        let clock: any Clock<Duration>
        let stop: CommandStop
        let witness: CommandWitness?
        let counts: CommandCounts
    }

    private let tools: Tools
    private let program: any RunningProgram
    private let time: ElapsedTime
    private var artifacts: StageArtifacts
    private var output: CommandOutput
    private var pace: ReadPace
    private var sources: [PipeSource?] = []
    private var buffer = [UInt8](repeating: 0, count: readBytes)
    /// The first reason to end the program early.
    private var failure: (any Error)?
    private let events: AsyncStream<Event>
    private let send: AsyncStream<Event>.Continuation

    init(_ tools: Tools, program: any RunningProgram, store: any FileStore) {
        self.tools = tools
        self.program = program
        time = ElapsedTime(on: tools.clock)
        artifacts = StageArtifacts(
            tools.claim, in: tools.directory, store: store, reports: tools.reports, clock: tools.clock,
            jobLimit: tools.limits.artifactBytesPerJob)
        output = CommandOutput(tools.work, from: tools.claim.checkpoint.progress)
        pace = ReadPace(bytesPerSecond: tools.limits.outputBytesPerSecond)
        // Bounded by its senders: each pipe has one event at a time, and the others are few.
        (events, send) = AsyncStream<Event>.makeStream()
    }

    /// Reads the output to its end.
    /// - Returns: the result of the stage.
    /// - Throws: as ``StageRunner/run(_:reports:)``.
    mutating func run() async throws -> StageResult {
        let end = await follow()
        tools.witness?(.ended(how: end.words))
        for source in sources { source?.close() }
        do {
            let result = try await result(of: end)
            await appendLog()
            return result
        } catch {
            if let failure = error as? StageFailure { output.note(failure.message) }
            await appendLog()
            // After a stop any end but a success is a consequence of the stop.
            throw tools.stop.isStopped ? CancellationError() : error
        }
    }

    private mutating func result(of end: ProgramEnd) async throws -> StageResult {
        if let failure { throw failure }
        if let failure = CommandVerdict.failure(of: end, note: output.error, detail: output.detail) { throw failure }
        try await artifacts.addDroppedPreviews()
        try await artifacts.add(tools.work.artifacts)
        let (artifacts, kept) = artifacts.result
        return StageResult(output: output.output ?? tools.work.output, artifacts: artifacts, kept: kept)
    }

    /// Handles events until the program has ended and its pipes are read.
    private mutating func follow() async -> ProgramEnd {
        let (program, send) = (program, send)
        openSources()
        // Unstructured, because a task group could not change this value. Both end with the
        // program, or at the end of this function.
        let waiter = Task { send.yield(.ended(await program.end())) }
        let measurer = measure()
        var drain: Task<Void, Never>?
        defer {
            waiter.cancel()
            measurer.cancel()
            drain?.cancel()
        }
        var end: ProgramEnd?
        for await event in events {
            switch event {
            case .readable(let stream): await read(stream)
            case .measured(let excess): await handle(excess)
            case .ended(let programEnd):
                if programEnd == .unknown { tools.counts.loseSupervisor() }
                end = programEnd
                let clock = tools.clock
                // Unstructured for the same reason.
                drain = Task { if (try? await clock.sleep(for: Self.drainPatience)) != nil { send.yield(.drained) } }
            case .drained:
                for stream in CommandOutput.Stream.allCases { await readRest(of: stream) }
            }
            if let end, sources.allSatisfy({ $0 == nil }) { return end }
        }
        return end ?? .unknown
    }

    // MARK: Output

    private mutating func openSources() {
        let send = send
        sources = zip(CommandOutput.Stream.allCases, [program.standardOutput, program.standardError]).map {
            stream, pipe in
            PipeSource(pipe) { send.yield(.readable(stream)) }
        }
        for source in sources { source?.next() }
    }

    private mutating func read(_ stream: CommandOutput.Stream) async {
        guard let source = sources[stream.rawValue] else { return }
        switch source.read(into: &buffer) {
        case .bytes(let count):
            await handle(stream, count: count)
            let delay = pace.delay(after: count, at: time.now)
            if delay > .zero { try? await tools.clock.sleep(for: delay) }
            source.next()
        case .nothingNow: source.next()
        case .end: await close(stream)
        }
    }

    /// Reads what a pipe still holds, without waiting.
    private mutating func readRest(of stream: CommandOutput.Stream) async {
        guard let source = sources[stream.rawValue] else { return }
        for _ in 0..<Self.lastReads {
            guard case .bytes(let count) = source.read(into: &buffer) else { break }
            await handle(stream, count: count)
        }
        await close(stream)
    }

    private mutating func close(_ stream: CommandOutput.Stream) async {
        await perform(output.finish(stream))
        await appendLog()
        sources[stream.rawValue]?.close()
        sources[stream.rawValue] = nil
    }

    private mutating func handle(_ stream: CommandOutput.Stream, count: Int) async {
        var rest = buffer[..<count]
        output.begin(stream, rest)
        while let actions = output.next(stream, from: &rest) { await perform(actions) }
        await appendLog()
    }

    private mutating func perform(_ actions: [CommandOutput.Action]) async {
        // A person reads the lines before a message first.
        if tools.witness != nil { await appendLog() }
        for action in actions {
            do {
                switch action {
                case .report(let report): try await tools.reports.report(report)
                case .artifact(let note):
                    guard failure == nil else { continue }
                    if let refusal = try await artifacts.add(note) {
                        output.note("the artifact “\(note.name)” was not stored: \(refusal)")
                    } else if note.role == .result {
                        tools.witness?(.result(name: note.name, type: note.type))
                    }
                case .output(let value): tools.witness?(.output(value))
                case .error(let note):
                    tools.witness?(
                        .error(
                            code: note.code ?? "stage_failed", message: note.message, isRetryable: note.isRetryable))
                }
            } catch {
                fail(error)
            }
        }
    }

    private mutating func appendLog() async {
        let text = output.takeLog()
        guard !text.isEmpty else { return }
        tools.witness?(.log(text))
        await tools.logs.append(text, job: tools.claim.job, stage: tools.claim.stage.name)
    }

    // MARK: Early ends

    /// Ends the program because of an error. The first error counts.
    private mutating func fail(_ error: any Error) {
        guard failure == nil else { return }
        failure = error
        program.stop(grace: .seconds(tools.work.graceSeconds))
    }

    /// Measures the working directory until it is cancelled.
    private func measure() -> Task<Void, Never> {
        let (send, clock, path, limit) = (send, tools.clock, tools.directory.path, tools.limits.stageDiskBytes)
        // Unstructured for the same reason as the task that waits for the end.
        return Task {
            while (try? await clock.sleep(for: Self.measureInterval)) != nil {
                let excess = try? await DiskWork.run { DirectoryTree.excess(of: path, overBytes: limit) }
                send.yield(.measured(excess ?? nil))
            }
        }
    }

    private mutating func handle(_ excess: DirectoryTree.Excess?) async {
        await tools.reports.storeCheckpointIfDue()
        let reason: String
        switch excess {
        case nil: return
        case .bytes: reason = "the working directory has more than \(tools.limits.stageDiskBytes) bytes"
        case .entries: reason = "the working directory has more than \(DirectoryTree.measuredEntries) files"
        case .depth: reason = "the working directory is nested too deep to be measured"
        }
        fail(CommandVerdict.diskLimit(reason, detail: output.detail))
    }
}
