/// Decides what a command does to a job, as a pure value: (life, command) → events and the next
/// life, or a refusal.
///
/// ```text
///              claim      report     succeed    retry      fail       interrupt  recover    cancel
///                         register
/// queued       executing  !executing !executing !executing !executing !executing ·          canceled
/// waiting      executing  !executing !executing !executing !executing !executing ·          canceled
/// retrying     executing  !executing !executing !executing !executing !executing ·          canceled
/// suspended    executing  !executing !executing !executing !executing !executing ·          canceled
/// executing    !claimed   executing  waiting or retrying   failed     suspended  suspended  canceling
///                                    succeeded                        (restart)  (crash)
/// canceling    !claimed   !canceling canceled   canceled   canceled   canceled   canceled   ·
/// final (3)    !final     !final     !final     !final     !final     !final     ·          ·
/// ```
/// `!` marks a refusal. `·` means that the command is granted and changes nothing. If no worker has
/// the stage, a cancel ends the job at once. Otherwise the phase is `canceling`: the worker must
/// give back the stage. The job is then canceled, whatever result the worker reports.
public struct JobStateMachine: Sendable {
    /// The pipeline, as it was when the job was submitted.
    public let pipeline: Pipeline

    public init(pipeline: Pipeline) {
        self.pipeline = pipeline
    }

    /// What follows from a command: the next life, and the events to append, in order.
    public struct Decision: Hashable, Sendable {
        public var life: JobLife
        /// The results of a stage that succeeds. Their events come before ``events``.
        public var artifacts: [JobEvent]
        public var events: UpToTwo<JobEvent>

        public init(life: JobLife, artifacts: [JobEvent] = [], events: UpToTwo<JobEvent> = UpToTwo()) {
            self.life = life
            self.artifacts = artifacts
            self.events = events
        }
    }

    /// The first event of a job, and its life after that.
    public func submit(priority: Priority) -> Decision {
        let life = JobLife(
            phase: .queued, stageIndex: 0, attempt: 0, stageProgress: .none, progress: .none, stageStartedAt: nil,
            startedAt: nil)
        let change = JobEvent.Change.queued(
            pipeline: pipeline.name, stages: pipeline.stages.map(\.name), priority: priority)
        return Decision(life: life, events: UpToTwo(JobEvent(progress: .none, change: change)))
    }

    /// Decides about one command. Durations are differences of steady times.
    /// - Throws: the refusal, if the command is not granted.
    public func decide(_ command: JobCommand, on life: JobLife, at moment: ClockReading) throws(JobRefusal) -> Decision
    {
        switch (life.phase, command) {
        case (.succeeded, .cancel), (.failed, .cancel), (.canceled, .cancel),
            (.succeeded, .recover), (.failed, .recover), (.canceled, .recover):
            return Decision(life: life)
        case (.succeeded, _), (.failed, _), (.canceled, _):
            throw .final

        case (.queued, .claim), (.waiting, .claim), (.retrying, .claim):
            return startStage(life, at: moment)
        case (.suspended(let reason), .claim):
            return resumeStage(life, reason: reason)
        case (.queued, .cancel), (.waiting, .cancel), (.retrying, .cancel), (.suspended, .cancel):
            return ended(life, as: .canceled, .canceled)
        case (.queued, .recover), (.waiting, .recover), (.retrying, .recover), (.suspended, .recover):
            return Decision(life: life)
        case (.queued, _), (.waiting, _), (.retrying, _), (.suspended, _):
            throw .notExecuting

        case (.executing, .claim), (.canceling, .claim):
            throw .alreadyClaimed
        case (.executing, .report(let report)):
            return advance(life, by: report)
        case (.executing, .register(let artifact)):
            return Decision(life: life, events: UpToTwo(created(artifact, in: life)))
        case (.executing, .succeed(let output, let artifacts)):
            var decision = completeStage(life, output: output, at: moment)
            decision.artifacts = artifacts.map { created($0, in: life) }
            return decision
        case (.executing, .retry(let error, let delay)):
            return retryStage(life, error: error, delay: delay)
        case (.executing, .fail(let error)):
            return ended(life, as: .failed, .failed(error))
        case (.executing, .interrupt(let reason)):
            return interruptStage(life, reason: reason)
        case (.executing, .recover):
            var life = life
            life.phase = .suspended(.crash)
            return Decision(life: life)
        case (.executing, .cancel):
            var life = life
            life.phase = .canceling
            return Decision(life: life, events: UpToTwo(event(life, .cancelRequested(stage: stage(life).name))))

        case (.canceling, .report), (.canceling, .register):
            throw .canceling
        case (.canceling, .cancel):
            return Decision(life: life)
        case (.canceling, _):
            return ended(life, as: .canceled, .canceled)
        }
    }
}

extension JobStateMachine {
    private func startStage(_ life: JobLife, at moment: ClockReading) -> Decision {
        var (after, events) = (life, UpToTwo<JobEvent>())
        after.phase = .executing
        after.attempt += 1
        after.stageProgress = .none
        after.stageStartedAt = moment
        if after.startedAt == nil {
            after.startedAt = moment
            events.append(event(after, .started(stage: stage(after).name)))
        }
        let change = JobEvent.Change.stageStarted(number(after), attempt: after.attempt, queue: stage(after).queue)
        events.append(event(after, change))
        return Decision(life: after, events: events)
    }

    private func resumeStage(_ life: JobLife, reason: ResumptionReason) -> Decision {
        var after = life
        after.phase = .executing
        let change = JobEvent.Change.resumed(reason: reason, stage: stage(after).name, progress: after.stageProgress)
        return Decision(life: after, events: UpToTwo(event(after, change)))
    }

    private func advance(_ life: JobLife, by report: StageReport) -> Decision {
        if report.isCheckpointOnly { return Decision(life: life) }
        var after = life
        after.stageProgress = max(life.stageProgress, report.progress)
        after.progress = progress(after)
        let change = JobEvent.Change.stageProgress(
            number(after), progress: after.stageProgress, message: report.message)
        return Decision(life: after, events: UpToTwo(event(after, change)))
    }

    private func completeStage(_ life: JobLife, output: JSONValue?, at moment: ClockReading) -> Decision {
        var after = life
        after.stageProgress = .complete
        after.progress = progress(after)
        let seconds = moment.seconds(since: life.stageStartedAt ?? moment)
        var events = UpToTwo(event(after, .stageSucceeded(number(after), seconds: seconds)))
        guard life.stageIndex + 1 < pipeline.stages.count else {
            after.progress = .complete
            let seconds = moment.seconds(since: life.startedAt ?? moment)
            let end = ended(after, as: .succeeded, .succeeded(output: output ?? .null, seconds: seconds))
            events.append(end.events[0])
            return Decision(life: end.life, events: events)
        }
        after.phase = .waiting
        after.stageIndex += 1
        after.attempt = 0
        after.stageProgress = .none
        after.stageStartedAt = nil
        return Decision(life: after, events: events)
    }

    private func created(_ artifact: Artifact, in life: JobLife) -> JobEvent {
        event(life, .artifactCreated(artifact, stage: stage(life).name))
    }

    private func retryStage(_ life: JobLife, error: JobError, delay: Duration) -> Decision {
        var after = life
        after.phase = .retrying
        after.stageProgress = .none
        let change = JobEvent.Change.stageRetrying(
            stage: stage(life).name, attempt: life.attempt + 1, delay: delay, error: error)
        return Decision(life: after, events: UpToTwo(event(after, change)))
    }

    private func interruptStage(_ life: JobLife, reason: InterruptionReason) -> Decision {
        var after = life
        after.phase = .suspended(reason.resumption)
        let change = JobEvent.Change.interrupted(reason: reason, stage: stage(life).name)
        return Decision(life: after, events: UpToTwo(event(after, change)))
    }

    private func ended(_ life: JobLife, as phase: JobLife.Phase, _ change: JobEvent.Change) -> Decision {
        var after = life
        after.phase = phase
        return Decision(life: after, events: UpToTwo(event(after, change)))
    }

    private func event(_ life: JobLife, _ change: JobEvent.Change) -> JobEvent {
        JobEvent(progress: life.progress, change: change)
    }

    private func stage(_ life: JobLife) -> Stage { pipeline.stages[life.stageIndex] }

    private func number(_ life: JobLife) -> StageNumber {
        StageNumber(stage: stage(life).name, index: life.stageIndex + 1, of: pipeline.stages.count)
    }

    /// The completed part of the expected duration. It never decreases, and it is below 1 until the
    /// job ends.
    private func progress(_ life: JobLife) -> Progress {
        // A loop, because an array of the durations would be an allocation for each report.
        var (completed, total) = (0.0, 0.0)
        for (index, stage) in pipeline.stages.enumerated() {
            if index == life.stageIndex { completed = total + stage.expectedSeconds * life.stageProgress.value }
            total += stage.expectedSeconds
        }
        let share = Progress(completed / total)
        return max(life.progress, min(share, .almostComplete))
    }
}
