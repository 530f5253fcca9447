import Glibc
import LongtakeDaemonDriver
import Synchronization
import Testing

/// `kill -9` at random times under load, again and again, with readers that come back (fault F1).
@Suite(.serialized) struct KillTests {
    /// What the daemon told somebody, and so may never take back.
    private struct Told {
        /// Jobs that were answered with 201, with the text of their prompt.
        var jobs: [String: String] = [:]
        var logs: [String: JobLog] = [:]
        var isOver = false
        var trouble: [String] = []
    }

    @Test("a daemon that is killed again and again loses nothing that it told anybody", .tags(.slow))
    func killedAgainAndAgain() async throws {
        try await onOwnThread {
            let rounds = getenv("LONGTAKE_KILL_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 10
            let seed = getenv("LONGTAKE_KILL_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20_261_121
            print("KillTests: \(rounds) rounds, LONGTAKE_KILL_SEED=\(seed)")
            var generator = Generator(state: seed)
            let daemon = try DaemonProcess("--speed", "20", environment: ["LONGTAKE_QUEUES_GPU_WORKERS=64"])
            let told = Mutex(Told())
            var readyTimes: [Duration] = []
            let threads = Group()
            for round in 0..<rounds {
                for index in 0..<3 {
                    let prompt = "round \(round), job \(index)"
                    if let id = try? daemon.submit(#"{"input":{"prompt":"\#(prompt)"}}"#) {
                        told.withLock { $0.jobs[id] = prompt }
                        threads.run { Self.follow(id, daemon, told) }
                    }
                }
                // Long enough for a few events at one time, and right in the middle of the submit at another.
                poll(nil, 0, CInt(generator.next() % 900))
                daemon.kill()
                readyTimes.append(try daemon.start())
                try checkOwners(daemon)
            }
            threads.wait()
            let worst = readyTimes.max() ?? .zero
            print("KillTests: ready after \(readyTimes.sorted()[rounds / 2]) in the median, \(worst) at worst")
            try check(daemon, told.withLock { $0 })
        }
    }

    /// O8: a reader that is cut off again and again, and resumes.
    private static func follow(_ id: String, _ daemon: DaemonProcess, _ told: borrowing Mutex<Told>) {
        var log = JobLog()
        let deadline = Deadline(120)
        while !deadline.isOver {
            let cursor = log.last.map { "Last-Event-ID: \($0)" } ?? "X-First: 1"
            guard let reader = try? daemon.follow(id, "", cursor) else {
                poll(nil, 0, 10)
                continue
            }
            if reader.head.status == 204 { break }
            while let block = try? reader.next() {
                if block.event == "stream.reset" {
                    told.withLock { $0.trouble.append("\(id): a cursor that was given out is not honoured") }
                }
                log.add(block)
            }
        }
        told.withLock { $0.logs[id] = log }
    }

    /// O4, its second half: what runs has a live owner. Right after the start at most the workers' stages do, and none is an orphan's.
    private func checkOwners(_ daemon: DaemonProcess) throws {
        let page = try daemon.get("/v1/jobs?state=running&limit=200").object()
        for case let job as [String: Any] in try #require(page["jobs"] as? [Any]) {
            for case let stage as [String: Any] in try #require(job["stages"] as? [Any])
            where stage["state"] as? String == "running" {
                let id = try #require(job["id"] as? String)
                let log = try daemon.get("/v1/jobs/\(id)/events?limit=1000", "Accept: application/json").body
                let started =
                    log.ranges(of: "\"type\":\"stage.started\"").count
                    + log.ranges(of: "\"type\":\"job.resumed\"").count
                #expect(started > 0, "a running stage was claimed")
            }
        }
    }

    private func check(_ daemon: DaemonProcess, _ told: Told) throws {
        #expect(told.trouble == [])
        #expect(told.logs.count == told.jobs.count)
        var resumed = 0
        for (id, prompt) in told.jobs {
            // O1: what was answered with 201 is there, with the same input.
            let job = try daemon.get("/v1/jobs/\(id)").object()
            #expect((job["input"] as? [String: Any])?["prompt"] as? String == prompt)
            #expect(job["state"] as? String == "succeeded", "O4: it goes on")
            // O2, O3, O5 and O8.
            let seen = try #require(told.logs[id])
            try seen.checkWhole()
            #expect(try daemon.wholeLog(of: id).lines == seen.lines, "what a reader pieced together is the log")
            #expect(job["last_event_id"] as? String == seen.last)
            resumed +=
                seen.lines.filter { $0.contains("\"type\":\"job.resumed\"") && $0.contains("\"reason\":\"crash\"") }
                .count
        }
        #expect(resumed > 0, "the kills hit work that was under way")
        #expect(daemon.stop() == 0)
        try DatabaseFile(daemon.directory + "/data").check()
    }
}

/// Threads to wait for.
private final class Group: Sendable {
    private let left = Mutex(0)

    func run(_ body: @escaping @Sendable () -> Void) {
        left.withLock { $0 += 1 }
        BlockingThread.run {
            body()
            self.left.withLock { $0 -= 1 }
        }
    }

    func wait() {
        let deadline = Deadline(150)
        while left.withLock({ $0 }) > 0, !deadline.isOver { poll(nil, 0, 10) }
        #expect(left.withLock { $0 } == 0, "all readers came to the end of their jobs")
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same kills.
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }
}
