import LongtakeCore
import LongtakeTesting

/// The end of a schedule, and its verdict.
extension Schedule {
    /// Ends all faults. Then every job has to finish.
    func calm() throws {
        stage.trace.tell("faults off")
        stage.disturbances += 1
        disk.faults = DiskFaults()
        let deadline = time.now + .seconds(900)
        while stage.verdict.isClean {
            if !scheduler.step() {
                guard let boot, !clients.areDone else { break }
                stage.verdict.check(time.now < deadline, .goesOn, "stuck: \(clients.unfinished)")
                lookAtRest()
                resumeAll(boot)
                clients.comeBack(to: boot)
                passTime()
            }
            try look()
        }
    }

    /// Shuts down gracefully, and compares the disk with the log book.
    func end() throws {
        stop()
        while stage.verdict.isClean, boot?.isStopping == true {
            if !scheduler.step() { passTime() }
            try look()
        }
        verify()
    }

    private func verify() {
        for (id, job) in clients.desk.acknowledged {
            guard let kept = disk.durable.job(id, of: job.tenant), let chronicle = stage.book.jobs[id] else {
                stage.verdict.blame(.acknowledgedIsKept, "\(id) is gone")
                continue
            }
            stage.verdict.check(kept.input == job.input, .acknowledgedIsKept, "\(id) has another input")
            let isSucceeded = kept.state == .succeeded
            stage.verdict.check(
                kept.output?["from"]?.text == (isSucceeded ? job.pipeline.stages.last?.name.description : nil),
                .acknowledgedIsKept, "\(id) has another output")
            let end = chronicle.end.map { "\($0.rawValue)" } ?? "nothing"
            stage.verdict.check(end == "job.\(kept.state.rawValue)", .oneEnd, "\(id) is \(kept.state) after \(end)")
            stage.verdict.check(
                !job.isCanceled || chronicle.end == .jobCanceled, .oneEnd, "\(id) was to be canceled, and \(end)")
            let log = disk.durable.events(of: id, of: job.tenant, after: .beforeFirst, limit: 10_000)?.events
            stage.verdict.check(log == chronicle.entries.map(\.event), .log, "\(id) has another log than it had")
        }
    }
}
