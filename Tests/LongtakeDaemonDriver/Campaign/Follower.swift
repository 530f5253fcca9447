import Glibc
import Synchronization

/// Clients that follow jobs to their end over several connections. Some are disconnected, and some
/// disconnect by themselves.
package final class Followers: Sendable {
    private let daemon: DaemonProcess
    private let history: History
    private let waiting = Mutex<[String]>([])
    private let mayBeSilent: Bool
    /// The timeout of a block, in seconds. Heartbeats come every second.
    private let silence: Double

    package init(daemon: DaemonProcess, history: History, silence: Double, mayBeSilent: Bool) {
        self.silence = silence
        self.mayBeSilent = mayBeSilent
        self.daemon = daemon
        self.history = history
    }

    package func follow(_ job: String) { waiting.withLock { $0.append(job) } }

    /// Follows one job after another until all submitters have ended and no job waits.
    package func run(_ submitters: Crew, _ deadline: @escaping @Sendable () -> Bool, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        while !deadline() {
            // Checked first, because a submitter that has ended submits no more.
            let isLast = submitters.isGone
            guard let job = waiting.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else {
                if isLast { return }
                poll(nil, 0, 10)
                continue
            }
            follow(job, deadline, &generator)
        }
    }

    private func follow(_ job: String, _ deadline: () -> Bool, _ generator: inout SeededGenerator) {
        var last: String?
        var (number, isEnded) = (0, false)
        while !deadline() {
            let reader = try? open(job, last, &generator)
            guard let reader, [200, 204].contains(reader.head.status) else {
                if reader?.head.status == 404 {
                    return history.violated(.acknowledged, "\(job) no longer exists")
                }
                poll(nil, 0, 20)
                continue
            }
            if reader.head.status == 204 {
                if !isEnded {
                    history.violated(.resume, "\(job) ended after number \(number) without a final event")
                }
                return history.readWhole(job, count: number)
            }
            let leaves = generator.percent(40) ? generator.draw(0...30) : Int.max
            var seen = 0
            while seen <= leaves, let block = next(of: reader, job) {
                seen += 1
                if take(block, of: job, &last, &number) { isEnded = true }
            }
            if generator.percent(50) { reader.socket.resetAtClose() }
            history.count { $0.resumed += 1 }
        }
    }

    private func open(_ job: String, _ last: String?, _ generator: inout SeededGenerator) throws -> EventReader {
        guard let last else { return try daemon.follow(job) }
        // A page that reconnects has no Last-Event-ID header.
        return generator.percent(50)
            ? try daemon.follow(job, "", "Last-Event-ID: \(last)") : try daemon.follow(job, "?after=\(last)")
    }

    /// Returns `nil` at the end of the body and after a disconnect. A stream without heartbeats is
    /// a violation.
    private func next(of reader: EventReader, _ job: String) -> EventBlock? {
        do {
            return try reader.next(within: silence)
        } catch Socket.Failure.timedOut where !mayBeSilent {
            history.violated(.honesty, "the stream of \(job) stopped sending heartbeats")
        } catch {}
        return nil
    }

    /// - Returns: whether it is the final event.
    private func take(_ block: EventBlock, of job: String, _ last: inout String?, _ number: inout Int) -> Bool {
        if block.event == "stream.reset" {
            history.violated(.resume, "\(job): the cursor \(last ?? "none") was issued by the daemon and is rejected")
        }
        guard block.isLogged, let id = block.id, let line = block.data else { return false }
        number += 1
        if !id.hasSuffix("-\(number)") { history.violated(.resume, "\(job): \(id) came as number \(number)") }
        last = id
        history.read(line, number: number, of: job)
        guard let end = JobLog.end(of: line) else { return false }
        history.ended(job, as: end)
        return true
    }
}

extension JobLog {
    /// The state in a final event.
    static func end(of line: String) -> String? {
        ["succeeded", "failed", "canceled"].first { line.contains("\"type\":\"job.\($0)\"") }
    }
}

/// A client that reads the events of all jobs on one stream, over several connections.
package struct FeedFollower: Sendable {
    let daemon: DaemonProcess
    let history: History

    package func run(_ crew: Crew, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var last = "0"
        var heads: [String: Int] = [:]
        while !crew.isStopped {
            guard let reader = try? daemon.feed("", "Last-Event-ID: \(last)"), reader.head.status == 200 else {
                poll(nil, 0, 20)
                continue
            }
            let leaves = generator.percent(30) ? generator.draw(0...200) : Int.max
            var seen = 0
            while seen <= leaves, !crew.isStopped, let block = try? reader.next(within: 20) {
                seen += 1
                if block.event == "stream.reset" {
                    history.violated(.resume, "the feed's cursor \(last) was issued by the daemon and is rejected")
                }
                if let id = block.id { last = id }
                guard block.isLogged, let line = block.data, let event = try? JSON.object(line),
                    let job = event["job"] as? String, let number = (event["seq"] as? Double).map({ Int($0) })
                else {
                    if block.isLogged { history.violated(.resume, "the feed sent an invalid event: \(block.raw)") }
                    continue
                }
                // The feed contains the event log of each job.
                if number != (heads[job] ?? 0) + 1 {
                    history.violated(.resume, "the feed sent \(job) number \(number) after \(heads[job] ?? 0)")
                }
                heads[job] = number
                history.fed(job, through: number)
                history.read(line, number: number, of: job)
            }
            history.count { $0.resumed += 1 }
        }
    }
}

/// Threads that run until they are stopped.
package final class Crew: Sendable {
    private struct State {
        var working = 0
        var isStopped = false
    }

    private let state = Mutex(State())

    package init() {}

    package var isStopped: Bool { state.withLock { $0.isStopped } }

    package func run(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.working += 1 }
        BlockingThread.run {
            body()
            self.state.withLock { $0.working -= 1 }
        }
    }

    /// Whether it was stopped and all threads have ended.
    package var isGone: Bool { state.withLock { $0.isStopped && $0.working == 0 } }

    package func stop() { state.withLock { $0.isStopped = true } }

    /// - Returns: whether all threads ended in time.
    package func wait(_ deadline: Deadline) -> Bool {
        while state.withLock({ $0.working }) > 0 {
            if deadline.isOver { return false }
            poll(nil, 0, 10)
        }
        return true
    }
}
