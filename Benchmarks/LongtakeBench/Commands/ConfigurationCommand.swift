import ArgumentParser
import FoundationEssentials

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
