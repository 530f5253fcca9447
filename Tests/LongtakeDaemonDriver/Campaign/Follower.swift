import Glibc
import Synchronization

/// Clients that follow jobs to their end, over any number of connections: some are cut off, some leave by themselves.
package final class Followers: Sendable {
    private let daemon: DaemonProcess
    private let history: History
    private let waiting = Mutex<[String]>([])
    private let mayBeSilent: Bool
    /// Seconds within which a block has to come; signs of life come every second.
    private let silence: Double

    package init(daemon: DaemonProcess, history: History, silence: Double, mayBeSilent: Bool) {
        self.silence = silence
        self.mayBeSilent = mayBeSilent
        self.daemon = daemon
        self.history = history
    }

    package func follow(_ job: String) { waiting.withLock { $0.append(job) } }

    /// Follows one job after the other until those who submit are gone and none waits.
    package func run(_ submitters: Crew, _ deadline: @escaping @Sendable () -> Bool, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        while !deadline() {
            // Asked first: who is gone submits no more.
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
                    return history.violated(.acknowledged, "\(job) is not known any more")
                }
                poll(nil, 0, 20)
                continue
            }
            if reader.head.status == 204 {
                if !isEnded {
                    history.violated(.resume, "\(job) was said to be over behind number \(number), no final event")
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
        // A page that comes back has no header to send.
        return generator.percent(50)
            ? try daemon.follow(job, "", "Last-Event-ID: \(last)") : try daemon.follow(job, "?after=\(last)")
    }

    /// `nil` at the end of the body, and where the connection is cut; not where it falls silent.
    private func next(of reader: EventReader, _ job: String) -> EventBlock? {
        do {
            return try reader.next(within: silence)
        } catch Socket.Failure.timedOut where !mayBeSilent {
            history.violated(.honesty, "the stream of \(job) fell silent")
        } catch {}
        return nil
    }

    /// - Returns: whether it is the final event.
    private func take(_ block: EventBlock, of job: String, _ last: inout String?, _ number: inout Int) -> Bool {
        if block.event == "stream.reset" {
            history.violated(.resume, "\(job): the cursor \(last ?? "none") was given out and is not honoured")
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
    /// The state that a final event tells.
    static func end(of line: String) -> String? {
        ["succeeded", "failed", "canceled"].first { line.contains("\"type\":\"job.\($0)\"") }
    }
}
