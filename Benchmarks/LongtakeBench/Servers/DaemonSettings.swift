import ArgumentParser
import FoundationEssentials

/// The settings and pipelines that the daemon under test runs with.
///
/// Its pipeline `bench` makes so many events a second for each job; its pipeline `quiet` has a queue without workers, so that its jobs
/// wait and say nothing.
struct BenchSettings: Sendable {
    /// Events a second of each job, 0.1 to 50.
    var rate = 4.0
    /// How long a job of `bench` runs.
    var jobSeconds = 300.0
    /// How many jobs run at once.
    var workers = 1
    /// Bytes of each report's message; an event is some 215 bytes longer.
    var messageBytes = 40

    static let rates = 0.1...50.0
    static let jobSecondsMost = 3_000.0
    static let messageBytesMost = 480

    /// Reports are at least this far apart by default; a job of up to this rate needs no setting of its own.
    static let defaultReportsPerSecond = 4.0

    var daemon: String {
        let reports = rate > Self.defaultReportsPerSecond ? "reports: {interval_milliseconds: \(reportInterval)}\n" : ""
        return """
            http: {host: 127.0.0.1, port: 0}
            stream: {heartbeat_seconds: 15, max_streams: 100000}
            queues:
              bench: {workers: \(workers)}
              quiet: {workers: 0}
            limits: {queued_jobs_per_tenant: 1000000}
            pipelines: pipelines.yaml
            log: {level: info, format: json}
            \(reports)
            """
    }

    var pipelines: String {
        let stages = (1...stageCount).map { number in
            "      - {name: stage-\(number), queue: bench, seconds: \(stageSeconds), steps: \(stepsPerStage), message: \"\(message)\"}"
        }
        return """
            default: bench
            pipelines:
              bench:
                description: Runs long and reports often.
                input: {prompt: {type: string, maximum: 4000}}
                stages:
            \(stages.joined(separator: "\n"))
              quiet:
                description: Waits.
                input: {prompt: {type: string, maximum: 4000}}
                stages:
                  - {name: wait, queue: quiet, seconds: 60, steps: 1, message: waiting}

            """
    }

    /// Below the least time between two steps, which vary by a fifth, so that the pace is the simulation's.
    private var reportInterval: Int { min(60_000, max(10, Int(400 / rate))) }

    /// Where the least time between reports gives the pace: steps are so fine then that one is due as soon as a report may be made.
    private var isPacedByInterval: Bool { rate > 3 && rate <= Self.defaultReportsPerSecond }

    /// So long that its reports are well below the 1,000 that a stage may make, and its steps below 3,600.
    private var stageSeconds: Double { isPacedByInterval ? 60 : min(jobSeconds, 800 / rate) }

    private var stepsPerStage: Int { isPacedByInterval ? 3_000 : max(1, Int((stageSeconds * rate).rounded())) }

    /// A pipeline has at most 64 stages, which ``jobSecondsMost`` and the rate's bound may exceed: see ``check()``.
    private var stageCount: Int { min(64, max(1, Int((jobSeconds / stageSeconds).rounded(.up)))) }

    /// How long a job really runs.
    private var longestSeconds: Double { stageSeconds * Double(stageCount) }

    /// - Throws: where no job can run for as long as is asked for.
    func check() throws {
        guard longestSeconds >= jobSeconds - 1 else {
            throw BenchFailure(
                "jobs have to run for \(jobSeconds.shown(0)) s, and run for \(longestSeconds.shown(0)) s at most at this rate"
            )
        }
    }

    private var message: String {
        let text = "frame {step} of {steps}, "
        let rest = "still rolling and nobody has called cut "
        let padding = String(repeating: rest, count: max(0, messageBytes - 18) / rest.utf8.count + 1)
        return text + padding.prefix(max(0, messageBytes - 18))
    }
}

/// `longtake-bench configuration`
struct ConfigurationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "configuration",
        abstract: "Writes the settings and pipelines that --url needs, for a daemon that you start yourself.")

    @Option(help: "Where longtake.yaml and pipelines.yaml are written to; a directory that is there.")
    var directory: String
    @Option(help: "Events a second of each job, 0.1 to 50.")
    var rate = 4.0
    @Option(help: "How long a job runs, 1 to 3000 seconds.")
    var jobSeconds = 600.0
    @Option(help: "How many jobs run at once, 1 to 10000.")
    var jobs = 1

    func validate() throws {
        guard BenchSettings.rates.contains(rate), (1...BenchSettings.jobSecondsMost).contains(jobSeconds),
            (1...10_000).contains(jobs)
        else { throw ValidationError("--rate is 0.1 to 50, --job-seconds 1 to 3000, --jobs 1 to 10000") }
    }

    func run() throws {
        let settings = BenchSettings(rate: rate, jobSeconds: jobSeconds, workers: jobs)
        try settings.check()
        for (name, text) in [("longtake.yaml", settings.daemon), ("pipelines.yaml", settings.pipelines)] {
            try Data(text.utf8).write(to: URL(filePath: "\(directory)/\(name)"))
        }
        print("longtake serve --config \(directory)/longtake.yaml --data \(directory)/data --port 8080")
    }
}
