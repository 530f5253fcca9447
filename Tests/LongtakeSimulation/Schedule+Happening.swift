import LongtakeCore
import LongtakeTesting

/// The happenings: what a schedule does to the daemon and its environment.
extension Schedule {
    func happen(_ happening: Happening) throws {
        guard let boot else { return }
        if !happening.isOrdinary || happening == .diskRoom { stage.disturbances += 1 }
        switch happening {
        case .submit: clients.desk.submit(to: boot)
        case .submitAgain: clients.desk.insist(to: boot)
        case .cancel: clients.desk.cancel(at: boot)
        case .follow: clients.follow(boot)
        case .followFeed: clients.followFeed(boot)
        case .poll: clients.poll(boot)
        case .hangUp: clients.connection?.cut()
        case .stall: clients.connection?.toggleReading()
        case .breakOnSend: clients.connection?.breaksOnSend = true
        case .diskFull: disk.faults.isFull = true
        case .diskRoom: (disk.faults.isFull, disk.faults.isStalled, disk.faults.areReadsStalled) = (false, false, false)
        case .refusedCommit: disk.faults.nextCommit = .refused
        case .lostCommit: disk.faults.nextCommit = .unknown(happened: chance.isOne(in: 2))
        case .stalledReads:
            disk.faults.areReadsStalled = true
            boot.readsHang = true
        case .storm: clients.storm(boot)
        case .stalledDisk: disk.faults.isStalled = true
        case .failingReads:
            disk.faults.failingReads = disk.faults.failingReads == nil ? 1 + chance.below(4) : nil
            boot.readsFail = true
        case .fewSubmissions: disk.faults.submissionsWaiting = chance.below(2)
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
            // A caller that was rejected before the pause learns it only now.
            stage.noteRefusal()
        case .flood: clients.desk.flood(boot)
        case .retry: clients.desk.retry(at: boot)
        case .pauseQueue: pause(chance.one(of: [SimulatedJob.cpu, SimulatedJob.gpu]), boot)
        case .resumeQueue: resumeAll(boot)
        case .reuseKey: clients.desk.reuseKey(at: boot)
        case .wrongRetry: clients.desk.retryAnything(at: boot)
        case .twoSteps: twoSteps.goOn(boot, disk, clients.desk, chance, stage, at: time.wall.reading())
        case .maintain:
            // Unstructured: no caller waits for it.
            Task { try? await boot.journal.maintain() }
        case .ghost: speak(for: oldClaims + boot.journal.claims, to: boot)
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

    /// Uses a claim that may no longer be valid. The log book detects it if that changes anything.
    private func speak(for claims: [Claim], to boot: Boot) {
        guard !claims.isEmpty else { return }
        let claim = chance.one(of: claims)
        guard stage.book.jobs[claim.job]?.owner?.claim != claim.id else { return }
        stage.trace.tell("a ghost speaks for \(claim.job)")
        let report = StageReport(progress: Progress(0.5), message: "boo")
        let isReport = chance.isOne(in: 2)
        // Unstructured: no worker waits for it.
        Task { [stage] in
            if isReport {
                _ = try await boot.journal.report(report, for: claim)
            } else {
                do {
                    _ = try await boot.journal.finish(claim, with: .succeeded(output: nil))
                } catch JournalError.refused(let refusal) {
                    // It would try something else then. A claim that is lost is lost for good.
                    stage.verdict.blame(
                        .stages, "a ghost of \(claim.job) is told \(refusal), not that it lost its claim")
                }
            }
        }
    }
}
