import LongtakeCore
import LongtakeTesting

/// The end of a schedule: without faults, every job must finish.
extension Schedule {
    /// Ends all faults. Then every job has to finish.
    func runWithoutFaults() throws {
        stage.trace.tell("faults off")
        stage.disturbances += 1
        disk.faults = DiskFaults()
        let deadline = time.now + .seconds(900)
        while stage.verdict.isClean {
            if !scheduler.step() {
                guard let boot, !clients.areDone else { break }
                stage.verdict.check(
                    time.now < deadline, .progress,
                    "900 s after the faults, these have not finished: \(clients.unfinished)")
                lookAtRest()
                resumeAll(boot)
                clients.catchUp(with: boot)
                passTime()
            }
            try check()
        }
    }

    /// Shuts down gracefully, and compares the disk with the log book.
    func end() throws {
        stop()
        while stage.verdict.isClean, boot?.isStopping == true {
            if !scheduler.step() { passTime() }
            try check()
        }
        verify()
    }

    private func verify() {
        for (id, job) in clients.submitters.acknowledged {
            guard let kept = disk.durable.job(id, of: job.tenant), let chronicle = stage.book.jobs[id] else {
                stage.verdict.fail(.acknowledged, "\(id) does not exist any more")
                continue
            }
            stage.verdict.check(kept.input == job.input, .acknowledged, "\(id) has another input than submitted")
            let isSucceeded = kept.state == .succeeded
            stage.verdict.check(
                kept.output?["from"]?.text == (isSucceeded ? job.pipeline.stages.last?.name.description : nil),
                .acknowledged, "\(id) has another output than its last stage")
            let end = chronicle.end.map { "\($0.rawValue)" } ?? "nothing"
            stage.verdict.check(
                end == "job.\(kept.state.rawValue)", .finalEvent,
                "\(id) is \(kept.state), but its final event is \(end)")
            stage.verdict.check(
                !job.isCanceled || chronicle.end == .jobCanceled, .finalEvent,
                "a cancel of \(id) succeeded, but its final event is \(end)")
            let log = disk.durable.events(of: id, of: job.tenant, after: .beforeFirst, limit: 10_000)?.events
            stage.verdict.check(log == chronicle.entries.map(\.event), .log, "the event log of \(id) has changed")
        }
    }
}
