import ArgumentParser

/// `longtake run-stage`
struct RunStage: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run-stage",
        abstract: "Runs one command stage by hand, without a daemon, and shows what its program says.",
        discussion: """
            The program gets the same working directory, document, environment and confinement as from the daemon. Each line of the output
            says what the daemon would do with a line of the program: a progress, a checkpoint, an artifact or a line of the log. No
            database is used, and nothing is retried. Reports are not limited to four in a second, as the daemon does.

            Examples:
              longtake run-stage demo-video title --input '{"prompt": "a paper boat"}'
              longtake run-stage demo-video poster --input '{"prompt": "x"}' --artifact video.mp4=out/video.mp4
              longtake run-stage example frames --config longtake.yaml --input @input.json --checkpoint '{"next": 3}' --folder out
              longtake run-stage demo-image-to-video prepare --file image=photo.jpg

            The folder gets the working directory (work) and the artifacts (artifacts). Both stay there. Ctrl-C stops the program as a
            cancel does: SIGTERM, and SIGKILL after grace_seconds.

            Exit status: 0 if the stage succeeded, 1 if it failed, 2 for an error in the command line or the input, 78 for an error in the
            settings, 130 after Ctrl-C.
            """)

    @Argument(help: "The name of the pipeline.")
    var pipeline: String
    @Argument(help: "The name of the stage.")
    var stage: String
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The input of the job: JSON, or @FILE, or - for standard input. The default is an empty object.",
            valueName: "json"))
    var input = "{}"
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Give the input field of the type file this file. Repeat it for several.", valueName: "field=path"))
    var file: [String] = []
    @Option(
        name: .long,
        help: ArgumentHelp("Give the stage this artifact. Repeat it for several.", valueName: "name=path"))
    var artifact: [String] = []
    @Option(name: .long, help: ArgumentHelp("Read the settings from this file.", valueName: "file"))
    var config: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Work in this folder, which is made if it does not exist. The default is a new folder for temporary files.",
            valueName: "folder"))
    var folder: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Run as after a restart of the daemon: with this checkpoint, as the program sent it (JSON or @FILE), and in the working directory that an earlier run has left in --folder.",
            valueName: "json"))
    var checkpoint: String?
    @Flag(name: .customLong("no-sandbox"), help: "Do not confine the program with Landlock.")
    var isUnconfined = false

    func run() async throws {
        let options = try SettingsOptions.parse(config.map { ["--config", $0] } ?? [])
        let loaded = try options.load()
        let status: Int32
        do throws(TrialError) {
            let request = try TrialRequest(
                pipeline: pipeline, stage: stage, input: input, files: file, artifacts: artifact,
                checkpoint: checkpoint, folder: folder, isUnconfined: isUnconfined)
            status = try await StageTrial.prepare(request, loaded).run(TrialDisplay())
        } catch {
            StandardStreams.write("longtake: \(error)\n", to: .error)
            status = error.status
        }
        if status != 0 { throw ExitCode(status) }
    }
}
