import LongtakeCore
import LongtakeHTTP
import Synchronization

/// The logs of stages in memory. A test writes them.
final class MemoryStageLogs: StageLogReading {
    private struct Log {
        var attempt = 1
        var text: [UInt8] = []
        var start: Int64 = 0
    }

    private struct State {
        var logs: [String: Log] = [:]
        var observers: [AsyncStream<Void>.Continuation] = []
    }

    private let state = Mutex(State())

    /// Writes text. A new attempt begins with an empty log.
    func append(_ text: String, job: String, stage: String, attempt: Int = 1) {
        change(job, stage) { log in
            if log.attempt != attempt { log = Log(attempt: attempt) }
            log.text += Array(text.utf8)
        }
    }

    /// Drops the oldest bytes.
    func drop(_ count: Int, job: String, stage: String) {
        change(job, stage) { log in
            log.text.removeFirst(count)
            log.start += Int64(count)
        }
    }

    /// The number of streams that have asked for changes.
    var observers: Int { state.withLock { $0.observers.count } }

    private func change(_ job: String, _ stage: String, _ body: (inout Log) -> Void) {
        let observers = state.withLock { state in
            body(&state.logs["\(job)/\(stage)", default: Log()])
            return state.observers
        }
        for observer in observers { observer.yield() }
    }

    func log(of job: JobID, stage: StageName) async throws -> [UInt8]? {
        state.withLock { $0.logs["\(job)/\(stage)"]?.text }
    }

    func part(of job: JobID, stage: StageName, from offset: Int64, limit: Int) async throws -> StageLogText? {
        state.withLock { state in
            guard let log = state.logs["\(job)/\(stage)"] else { return nil }
            let end = log.start + Int64(log.text.count)
            let from = min(max(offset, log.start), end)
            let text = log.text[Int(from - log.start)...].prefix(limit)
            return StageLogText(bytes: Array(text), offset: from, kept: log.start..<end, attempt: log.attempt)
        }
    }

    func changes(of job: JobID, stage: StageName) async -> AsyncStream<Void> {
        let (stream, observer) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        observer.yield()
        state.withLock { $0.observers.append(observer) }
        return stream
    }
}
