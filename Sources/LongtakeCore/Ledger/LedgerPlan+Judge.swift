extension LedgerPlan {
    /// Plans a report of a worker, or the end of its stage.
    /// - Throws: ``JournalError/notOwner`` if the claim is no longer valid;
    ///   ``JournalError/refused(_:)``.
    public static func work(
        _ command: JobCommand, by claim: ClaimID, of holder: HolderID, on facts: JobFacts, at moment: ClockReading
    ) throws(JournalError) -> LedgerPlan {
        guard facts.holder == holder, facts.fence == claim.fence, facts.life.stageIndex == claim.stageIndex else {
            throw .notOwner
        }
        return try plan(for: command, on: facts, at: moment)
    }

    /// Plans the claim of a stage that the store has reserved for a holder.
    /// - Throws: ``JournalError/refused(_:)`` if the stage does not wait.
    public static func claim(
        by holder: HolderID, on facts: JobFacts, at moment: ClockReading
    ) throws(JournalError) -> LedgerPlan {
        try plan(for: .claim, on: facts, holder: holder, at: moment)
    }

    /// Plans a cancel. If the job has ended, the plan is empty.
    public static func cancel(_ facts: JobFacts, at moment: ClockReading) throws(JournalError) -> LedgerPlan {
        try plan(for: .cancel, on: facts, at: moment)
    }

    /// Plans the recovery of a stage whose holder was declared gone. The stage returns to its queue
    /// with its checkpoint, unless it is in a ``CrashLoop``. Then it fails.
    public static func recover(_ facts: JobFacts, at moment: ClockReading) throws(JournalError) -> LedgerPlan {
        try plan(for: CrashLoop.recovery(of: facts), on: facts, at: moment)
    }

    /// Plans that a stage can be claimed, because its retry is due. This appends no event.
    public static func stageIsDue(_ facts: JobFacts, at moment: ClockReading) -> LedgerPlan {
        var after = facts
        after.dueAt = nil
        after.delay = nil
        var plan = LedgerPlan(
            preconditions: Preconditions(job: facts.id, state: .init(facts), openQueue: nil), at: moment.time,
            after: after)
        guard facts.dueAt != nil else { return plan }
        plan.rows = .stageIsDue
        plan.entersReady = after.isReady ? facts.stage.queue : nil
        return plan
    }

    /// Plans a new job.
    /// - Parameter files: the content of the references of the submission.
    static func insert(
        _ submission: PreparedSubmission, files: [ResolvedReference], at moment: ClockReading
    ) -> LedgerPlan {
        var facts = submission.facts
        facts.head = facts.head.next
        facts.lastAt = moment.time
        let queue = facts.stage.queue
        var plan = LedgerPlan(
            preconditions: Preconditions(job: facts.id, state: nil, openQueue: nil), at: moment.time, after: facts)
        plan.events = UpToTwo(submission.firstEvent)
        plan.inputFiles = files
        plan.rows = .insert
        plan.queuedJobs = 1
        plan.entersReady = queue
        plan.wake = .ready(queue)
        return plan
    }

    private static func plan(
        for command: JobCommand, on facts: JobFacts, holder: HolderID? = nil, at reading: ClockReading
    ) throws(JournalError) -> LedgerPlan {
        let moment = reading.clamped(notBefore: facts.lastAt)
        let decision: JobStateMachine.Decision
        do {
            decision = try JobStateMachine(pipeline: facts.pipeline).decide(command, on: facts.life, at: moment)
        } catch {
            throw .refused(error)
        }
        var plan = LedgerPlan(
            preconditions: Preconditions(
                job: facts.id, state: .init(facts), openQueue: command == .claim ? facts.stage.queue : nil),
            at: moment.time, after: facts)
        plan.events = decision.events.mapped(PlannedEvent.init)
        if !decision.artifacts.isEmpty { plan.artifactEvents = decision.artifacts.map(PlannedEvent.init) }
        plan.after.life = decision.life
        if !plan.events.isEmpty {
            let count = plan.artifactEvents.count + plan.events.count
            plan.after.head = EventSequence(rawValue: facts.head.rawValue + Int64(count))
            plan.after.lastAt = moment.time
        }
        plan.complete(command, from: facts, holder: holder, at: moment)
        plan.after.silentCrashes = CrashLoop.crashes(after: command, on: facts)
        plan.forgetsCrashes =
            facts.silentCrashes > 0 && plan.after.silentCrashes == 0 && plan.rows != .update && plan.rows != .nextStage
        return plan
    }

    /// Derives everything else from the lives before and after the command.
    private mutating func complete(
        _ command: JobCommand, from before: JobFacts, holder: HolderID?, at moment: ClockReading
    ) {
        if case .report(let report) = command {
            // A report changes only the opaque checkpoint in the row. The last event contains the
            // rest.
            checkpoint = report.checkpoint
            rows = checkpoint == nil ? .none : .checkpoint
            return
        }
        if case .register(let artifact) = command {
            artifacts = [artifact]
            rows = .artifacts
            return
        }
        guard after.life != before.life else { return }
        // If the job was to be canceled, the success does not count and there are no artifacts.
        if case .succeed(_, let results) = command, !artifactEvents.isEmpty { artifacts = results }
        if after.life.stageIndex > before.life.stageIndex {
            rows = .nextStage
            after.fence = .unclaimed
            if case .succeed(let output, _) = command { stageOutput = output }
        } else {
            rows = .update
            dropsCheckpoint = after.life.attempt != before.life.attempt || after.life.phase == .retrying
        }
        if after.life.stageState != .running {
            after.holder = nil
        } else if let holder {
            after.holder = holder
            after.fence = before.fence.next
        }
        after.dueAt = nil
        after.delay = nil
        if case .retry(_, let delay) = command, after.life.phase == .retrying {
            after.dueAt = moment.steady.advanced(by: delay)
            after.delay = delay
        }
        finishedAt = after.life.state.isFinal ? moment.steady : nil
        if before.life.state == .queued, after.life.state != .queued { queuedJobs = -1 }
        if before.isReady { leavesReady = before.stage.queue }
        guard after.life.stageState == .queued else { return }
        let queue = after.stage.queue
        if let due = after.dueAt {
            wake = .later(queue, due)
        } else {
            entersReady = queue
            wake = .ready(queue)
        }
    }

    private init(preconditions: Preconditions, at: Timestamp, after: JobFacts) {
        self.preconditions = preconditions
        self.at = at
        self.after = after
    }
}
