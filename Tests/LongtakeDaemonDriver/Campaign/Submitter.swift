import Glibc

/// A client that submits jobs, with and without keys. It cancels some jobs, and some are to fail.
package struct Submitter: Sendable {
    let daemon: DaemonProcess
    let history: History
    let crew: Crew
    /// Receives the jobs that followers shall follow.
    let found: @Sendable (String) -> Void
    let name: String
    /// The maximum number of milliseconds between two submissions.
    let pause: Int
    /// The total number of jobs.
    let limit: Int
    let silence: Double
    /// Whether the daemon is paused for longer than the response timeout.
    let mayBeSilent: Bool

    package func run(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var number = 0
        while !crew.isStopped, number < limit {
            number += 1
            submit(number, &generator)
            poll(nil, 0, CInt(generator.draw(0...pause)))
        }
    }

    private func submit(_ number: Int, _ generator: inout SeededGenerator) {
        let prompt = "\(name), number \(number)"
        let key = generator.percent(60) ? "\(name)-\(number)".replacing(" ", with: "-") : nil
        let fails = generator.percent(20)
        let simulation =
            fails ? #","simulation":{"fail_stage":"keyframes","fail_times":\#(generator.draw(1...3))}"# : ""
        let body = #"{"input":{"prompt":"\#(prompt)","duration_seconds":\#(generator.draw(1...4))}\#(simulation)}"#
        // Without a key a retry might create a second job, so there is no retry.
        for attempt in 0..<(key == nil ? 1 : 40) {
            if attempt > 0 { poll(nil, 0, 50) }
            guard let answer = post("/v1/jobs", body, key) else {
                history.count { $0.unanswered += 1 }
                continue
            }
            guard [200, 201].contains(answer.status), let id = try? answer.object()["id"] as? String else {
                history.count { $0.refused += 1 }
                if ![429, 503].contains(answer.status) {
                    history.violated(.honesty, "a submission was answered with \(answer.status): \(answer.body)")
                }
                continue
            }
            history.acknowledged(
                id, .init(prompt: prompt, key: key, body: body, fails: fails),
                isReplay: answer["idempotent-replayed"] != nil)
            found(id)
            if generator.percent(10) { cancel(id, after: generator.draw(0...600)) }
            return
        }
    }

    private func cancel(_ job: String, after milliseconds: Int) {
        poll(nil, 0, CInt(milliseconds))
        history.cancelAsked(job)
        guard let answer = post("/v1/jobs/\(job)/cancel", "", nil) else { return }
        switch answer.status {
        case 202: history.canceled(job)
        case 200: if let state = try? answer.object()["state"] as? String { history.ended(job, as: state) }
        case 429, 503: break
        default: history.violated(.honesty, "a cancel was answered with \(answer.status): \(answer.body)")
        }
    }

    /// Returns `nil` if there is no response. That is caused by the fault, unless the daemon did
    /// not close the connection.
    private func post(_ path: String, _ body: String, _ key: String?) -> Exchange? {
        do {
            let fields = key.map { ["Idempotency-Key: \($0)"] } ?? []
            return try daemon.exchange("POST", path, fields, body: body, within: silence)
        } catch Socket.Failure.timedOut where !mayBeSilent {
            history.violated(.honesty, "\(path) was not answered in time")
        } catch {}
        return nil
    }
}
