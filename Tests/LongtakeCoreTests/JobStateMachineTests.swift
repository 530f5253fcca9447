import LongtakeCore
import LongtakeTesting
import Testing

/// The table that is drawn at ``JobStateMachine``, cell by cell.
@Suite("The life of a job")
struct JobStateMachineTests {
    private let machine = JobStateMachine(pipeline: TestPipeline.two)
    private let now = ClockReading(Timestamp(millisecondsSince1970: 5_000))
    private static let error = JobError(code: "stage_failed", message: "no", stage: nil)

    private static let commands: [JobCommand] = [
        .claim, .report(StageReport(progress: Progress(0.5), message: "half")), .succeed(output: nil),
        .retry(error: error, delay: .seconds(2)), .fail(error), .interrupt(.shutdown), .recover, .cancel,
    ]

    private static let phases: [JobLife.Phase] = [
        .queued, .waiting, .retrying, .suspended(.restart), .suspended(.crash), .executing, .canceling, .succeeded,
        .failed,
        .canceled,
    ]

    enum Answer: Equatable {
        case to(JobLife.Phase, [EventType])
        case nothing
        case refused(JobRefusal)
    }

    /// One row for each phase, in the order of ``phases``; one column for each command.
    private static let table: [[Answer]] = {
        let idle: [Answer] =
            Array(repeating: .refused(.notExecuting), count: 5) + [.nothing, .to(.canceled, [.jobCanceled])]
        let started = Answer.to(.executing, [.stageStarted])
        let resumed = Answer.to(.executing, [.jobResumed])
        let canceled = Answer.to(.canceled, [.jobCanceled])
        let final: [Answer] = Array(repeating: .refused(.final), count: 6) + [.nothing, .nothing]
        return [
            [.to(.executing, [.jobStarted, .stageStarted])] + idle,
            [started] + idle,
            [started] + idle,
            [resumed] + idle,
            [resumed] + idle,
            [
                .refused(.alreadyClaimed), .to(.executing, [.stageProgress]), .to(.waiting, [.stageSucceeded]),
                .to(.retrying, [.stageRetrying]), .to(.failed, [.jobFailed]),
                .to(.suspended(.restart), [.jobInterrupted]),
                .to(.suspended(.crash), []), .to(.canceling, [.jobCancelRequested]),
            ],
            [.refused(.alreadyClaimed), .refused(.canceling)] + Array(repeating: canceled, count: 5) + [.nothing],
            final, final, final,
        ]
    }()

    @Test("answers every pair of a phase and a command as the table says", arguments: phases.indices, commands.indices)
    func everyPair(row: Int, column: Int) {
        let phase = Self.phases[row]
        let life = JobLife(
            phase: phase, stageIndex: 0, attempt: phase == .queued ? 0 : 1, stageProgress: .none, progress: .none,
            stageStartedAt: phase == .queued ? nil : now, startedAt: phase == .queued ? nil : now)
        let answer: Answer
        do {
            let decision = try machine.decide(Self.commands[column], on: life, at: now)
            answer =
                decision == JobStateMachine.Decision(life: life)
                ? .nothing : .to(decision.life.phase, decision.events.map(\.type))
        } catch {
            answer = .refused(error)
        }
        #expect(answer == Self.table[row][column], "\(phase), \(Self.commands[column])")
    }

    @Test("a success of the last stage is the job's, with its output and the time since the first claim")
    func lastStage() throws {
        let life = JobLife(
            phase: .executing, stageIndex: 1, attempt: 1, stageProgress: .none, progress: Progress(0.25),
            stageStartedAt: ClockReading(Timestamp(millisecondsSince1970: 4_000)),
            startedAt: ClockReading(Timestamp(millisecondsSince1970: 1_000)))
        let decision = try machine.decide(.succeed(output: .integer(7)), on: life, at: now)
        #expect(decision.life.phase == .succeeded)
        #expect(decision.events.map(\.change).last == .succeeded(output: .integer(7), seconds: 4))
        #expect(
            decision.events.map(\.change).first
                == .stageSucceeded(StageNumber(stage: StageName(unchecked: "second"), index: 2, of: 2), seconds: 1))
    }

    @Test(
        "a stage that is taken up again keeps its attempt and checkpoint; a retried one begins anew with the next attempt"
    )
    func resumeAndRetry() throws {
        var life = try claimed()
        life = try machine.decide(.report(StageReport(progress: Progress(0.5), message: "")), on: life, at: now).life
        let suspended = try machine.decide(.interrupt(.shutdown), on: life, at: now).life
        let resumed = try machine.decide(.claim, on: suspended, at: now)
        #expect(resumed.life.attempt == 1)
        #expect(resumed.life.stageProgress == Progress(0.5))
        #expect(
            resumed.events.map(\.change)
                == [.resumed(reason: .restart, stage: StageName(unchecked: "first"), progress: Progress(0.5))])
        let retrying = try machine.decide(.retry(error: Self.error, delay: .seconds(2)), on: life, at: now).life
        let again = try machine.decide(.claim, on: retrying, at: now)
        #expect(again.life.attempt == 2)
        #expect(again.life.stageProgress == .none)
        #expect(again.life.progress == life.progress)
    }

    @Test(
        "a random life never goes back, stays below 1 until it succeeds, and has one final event",
        arguments: UInt64(1)...200)
    func randomWalk(seed: UInt64) throws {
        var generator = Seeded(state: seed)
        var decision = machine.submit(priority: .normal)
        var events = Array(decision.events)
        for step in 0..<400 {
            let commands =
                Self.commands + [
                    .report(StageReport(progress: Progress(Double.random(in: 0...1, using: &generator)), message: ""))
                ]
            // A fatal command ends a walk at once, so it is drawn seldom.
            let command = commands.randomElement(using: &generator) ?? .claim
            if command == .cancel || command == .fail(Self.error), step % 16 != 0 { continue }
            let time = ClockReading(Timestamp(millisecondsSince1970: Int64(step) * 100))
            guard let next = try? machine.decide(command, on: decision.life, at: time) else { continue }
            decision = next
            events += next.events
        }
        for (earlier, later) in zip(events, events.dropFirst()) { #expect(earlier.progress <= later.progress) }
        for event in events { #expect((event.progress == .complete) == (event.type == .jobSucceeded)) }
        #expect(events.filter { $0.type.isFinal }.count == (decision.life.state.isFinal ? 1 : 0))
        #expect(!decision.life.state.isFinal || events.last?.type.isFinal == true)
        #expect(events.last?.progress == decision.life.progress)
    }

    private func claimed() throws -> JobLife {
        try machine.decide(.claim, on: machine.submit(priority: .normal).life, at: now).life
    }
}
