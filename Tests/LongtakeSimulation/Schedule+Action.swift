import LongtakeCore
import LongtakeTesting

/// Performs the actions of a schedule.
extension Schedule {
    func perform(_ action: ScheduleAction) throws {
        guard let boot else { return }
        if !action.isInEverySchedule || action == .diskSpace { stage.disturbances += 1 }
        switch action {
        case .submit: clients.submitters.submit(to: boot)
        case .submitAgain: clients.submitters.resubmitUnanswered(to: boot)
        case .cancel: clients.submitters.cancel(at: boot)
        case .follow: clients.follow(boot)
        case .followFeed: clients.followFeed(boot)
        case .poll: clients.poll(boot)
        case .disconnect: clients.connection?.cut()
        case .stall: clients.connection?.toggleReading()
        case .breakOnSend: clients.connection?.breaksOnSend = true
        case .diskFull: disk.faults.isFull = true
        case .diskSpace:
            (disk.faults.isFull, disk.faults.isStalled, disk.faults.areReadsStalled) = (false, false, false)
        case .refusedCommit: disk.faults.nextCommit = .refused
        case .lostCommit: disk.faults.nextCommit = .unknown(happened: chance.isOne(in: 2))
        case .stalledReads:
            disk.faults.areReadsStalled = true
            boot.readsHang = true
        case .reconnectStorm: clients.reconnectStorm(boot)
        case .stalledDisk: disk.faults.isStalled = true
        case .failingReads:
            disk.faults.failingReads = disk.faults.failingReads == nil ? 1 + chance.below(4) : nil
            boot.readsFail = true
        case .lowSubmissionLimit: disk.faults.submissionsWaiting = chance.below(2)
        case .crash where chance.isOne(in: 2):
            stage.trace.tell("crash")
            try restart()
        case .stop where chance.isOne(in: 2): stop()
        case .crash, .stop: break
        case .wallForward: time.setWall(by: chance.milliseconds(1_000...20_000))
        case .wallBack: time.setWall(by: .zero - chance.milliseconds(1_000...20_000))
        case .pause:
            wasFaulty = true
            time.advance(by: chance.milliseconds(10_000...100_000))
            // A caller that was rejected before the pause gets its error only now.
            stage.noteRefusal()
        case .flood: clients.submitters.flood(boot)
        case .retry: clients.submitters.retry(at: boot)
        case .pauseQueue: pause(chance.one(of: [SimulatedJob.cpu, SimulatedJob.gpu]), boot)
        case .resumeQueue: resumeAll(boot)
        case .reuseKey: clients.submitters.reuseKey(at: boot)
        case .invalidRetry: clients.submitters.retryAnyJob(at: boot)
        case .twoSteps: twoSteps.step(boot, disk, clients.submitters, chance, stage, at: time.wall.reading())
        case .maintain:
            // Unstructured: no caller waits for it.
            Task { try? await boot.journal.maintain() }
        case .staleClaim: useStaleClaim(of: oldClaims + boot.journal.claims, to: boot)
        }
    }

    private func pause(_ queue: QueueName, _ boot: Boot) {
        stage.trace.tell("pause \(queue)")
        // Unstructured: each request is independent.
        Task { try? await boot.journal.pause(queue) }
    }

    func resumeAll(_ boot: Boot) {
        for queue in disk.durable.queues(of: nil) where queue.isPaused && !boot.isStopping {
            stage.trace.tell("resume \(queue.name)")
            // Unstructured, as above.
            Task { try? await boot.journal.resume(queue.name) }
        }
    }

    /// Uses a claim that is no longer valid. The log book detects any change that this makes.
    private func useStaleClaim(of claims: [Claim], to boot: Boot) {
        guard !claims.isEmpty else { return }
        let claim = chance.one(of: claims)
        guard stage.book.jobs[claim.job]?.owner?.claim != claim.id else { return }
        stage.trace.tell("a worker uses a stale claim of \(claim.job)")
        let report = StageReport(progress: Progress(0.5), message: "stale")
        let isReport = chance.isOne(in: 2)
        let artifact = Samples.artifact("stale", stage.nextContent(), .result)
        // Unstructured: no worker waits for it.
        Task { [stage] in
            if isReport {
                _ = try await boot.journal.report(report, for: claim)
                _ = try await boot.journal.register(artifact, for: claim)
            } else {
                do {
                    _ = try await boot.journal.finish(claim, with: .succeeded(output: nil, artifacts: [artifact]))
                } catch JournalError.refused(let refusal) {
                    // A worker with this error would try another command. It must get `notOwner`
                    // instead, which says that the claim is lost.
                    stage.verdict.fail(
                        .stages, "a stale claim of \(claim.job) is rejected with \(refusal) instead of notOwner")
                }
            }
        }
    }
}
