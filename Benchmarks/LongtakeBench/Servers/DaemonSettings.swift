import ArgumentParser
import FoundationEssentials

/// The settings and pipelines of the measured daemon.
///
/// The jobs of its pipeline `bench` publish events at a given rate. The queue of its pipeline
/// `quiet` has no workers, so its jobs wait and publish nothing.
struct DaemonSettings: Sendable {
    /// Events per second of each job, 0.1 to 50.
    var rate = 4.0
    /// The running time of a job of `bench`.
    var jobSeconds = 300.0
    /// The number of jobs that run at once.
    var workers = 1
    /// The bytes of each report's message. An event is about 215 bytes longer.
    var messageBytes = 40
    /// Each program has a pipeline of its own. Older daemons know no programs.
    var programs: [Program] = []
    /// The number of programs that run at once.
    var programWorkers = 1

    /// The command of a stage, which is called `run`. Its arguments contain no braces.
    struct Program: Sendable {
        /// The name of its pipeline.
        let name: String
        let command: [String]
        /// Whether its lines on standard output are messages.
        var isSpeaking = false
    }

    static let rates = 0.1...50.0
    static let maximumJobSeconds = 3_000.0
    static let maximumMessageBytes = 480

    /// The maximum rate of reports that the daemon stores by default. Up to this rate, the settings
    /// need no `reports.interval_milliseconds`.
    static let defaultReportsPerSecond = 4.0

    /// The text of `longtake.yaml`.
    var daemonYAML: String {
        let reports =
            rate > Self.defaultReportsPerSecond
            ? "reports: {interval_milliseconds: \(reportIntervalMilliseconds)}\n" : ""
        return """
            http: {host: 127.0.0.1, port: 0}
            stream: {heartbeat_seconds: 15, max_streams: 100000}
            queues:
              bench: {workers: \(workers)}
              quiet: {workers: 0}
            \(programs.isEmpty ? "" : "  programs: {workers: \(programWorkers)}")
            limits: {queued_jobs_per_tenant: 1000000}
            pipelines: pipelines.yaml
            log: {level: info, format: json}
            \(programs.isEmpty ? "" : "commands: {sandbox: optional}")
            \(reports)
            """
    }

    /// The text of `pipelines.yaml`.
    var pipelinesYAML: String {
        let stages = (1...stageCount).map { number in
            "      - {name: stage-\(number), queue: bench, seconds: \(stageSeconds), steps: \(stepsPerStage), message: \"\(message)\"}"
        }
        return """
            default: bench
            pipelines:
              bench:
                description: Runs for a long time and reports often.
                input: {prompt: {type: string, maximum: 4000}}
                stages:
            \(stages.joined(separator: "\n"))
              quiet:
                description: Waits.
                input: {prompt: {type: string, maximum: 4000}}
                stages:
                  - {name: wait, queue: quiet, seconds: 60, steps: 1, message: waiting}
            \(programs.map(\.pipelineYAML).joined(separator: "\n"))

            """
    }

    /// Shorter than the shortest time between two steps, which varies by a fifth. So the simulation
    /// determines the rate, and not this setting.
    private var reportIntervalMilliseconds: Int { min(60_000, max(10, Int(400 / rate))) }

    /// Whether the daemon's default interval between reports determines the rate. The steps are
    /// then so short that a step has always ended when the next report is allowed.
    private var isPacedByInterval: Bool { rate > 3 && rate <= Self.defaultReportsPerSecond }

    /// Short enough for fewer than 1,000 reports, which is the limit of an attempt, and fewer
    /// than 3,600 steps.
    private var stageSeconds: Double { isPacedByInterval ? 60 : min(jobSeconds, 800 / rate) }

    private var stepsPerStage: Int { isPacedByInterval ? 3_000 : max(1, Int((stageSeconds * rate).rounded())) }

    /// A pipeline has at most 64 stages. Together they may be too short: see ``check()``.
    private var stageCount: Int { min(64, max(1, Int((jobSeconds / stageSeconds).rounded(.up)))) }

    /// The running time of a job with this number of stages.
    private var longestSeconds: Double { stageSeconds * Double(stageCount) }

    /// - Throws: an error if a job cannot run for ``jobSeconds``.
    func check() throws {
        guard longestSeconds >= jobSeconds - 1 else {
            throw BenchFailure(
                "jobs must run for \(jobSeconds.fixed(0)) s, but at this rate they run for at most \(longestSeconds.fixed(0)) s"
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

extension DaemonSettings.Program {
    fileprivate var pipelineYAML: String {
        // In single quotes, YAML changes nothing but two single quotes.
        let arguments = command.map {
            "'" + $0.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
        }
        .joined(separator: ", ")
        return """
              \(name):
                description: Runs a program.
                input: {prompt: {type: string, maximum: 4000}}
                stages:
                  - {name: run, queue: programs, seconds: 60, \(isSpeaking ? "protocol: 1, " : "")command: [\(arguments)]}
            """
    }
}

/// `longtake-bench configuration`
struct ConfigurationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "configuration",
        abstract: "Writes the settings and pipelines for a daemon that you start yourself and measure with --url.")

    @Option(help: "An existing directory for longtake.yaml and pipelines.yaml.")
    var directory: String
    @Option(help: "Events per second of each job, 0.1 to 50.")
    var rate = 4.0
    @Option(help: "The running time of a job, 1 to 3000 seconds.")
    var jobSeconds = 600.0
    @Option(help: "The number of jobs that run at once, 1 to 10000.")
    var jobs = 1

    func validate() throws {
        guard DaemonSettings.rates.contains(rate), (1...DaemonSettings.maximumJobSeconds).contains(jobSeconds),
            (1...10_000).contains(jobs)
        else { throw ValidationError("--rate must be 0.1 to 50, --job-seconds 1 to 3000, --jobs 1 to 10000") }
    }

    func run() throws {
        let settings = DaemonSettings(rate: rate, jobSeconds: jobSeconds, workers: jobs)
        try settings.check()
        for (name, text) in [("longtake.yaml", settings.daemonYAML), ("pipelines.yaml", settings.pipelinesYAML)] {
            try Data(text.utf8).write(to: URL(filePath: "\(directory)/\(name)"))
        }
        print("longtake serve --config \(directory)/longtake.yaml --data \(directory)/data --port 8080")
    }
}
