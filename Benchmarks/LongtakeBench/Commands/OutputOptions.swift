import ArgumentParser
import FoundationEssentials
import LongtakeCore

/// Where results and databases go.
struct OutputOptions: ParsableArguments {
    @Option(help: "A file for the results as a JSON document.")
    var json: String?
    @Option(help: "Where the databases are made; the file system matters. They are removed afterwards.")
    var directory = FileManager.default.temporaryDirectory.path

    func validate() throws {
        guard FileManager.default.isWritableFile(atPath: directory) else {
            throw ValidationError("--directory \(directory) is no directory that can be written to")
        }
    }

    /// Prints the tables, writes the document.
    /// - Throws: exit status 1 where something was broken.
    func finish(_ document: ResultDocument) throws {
        print(document.text)
        if let json {
            try Data((try JSONText.encode(document.json) + "\n").utf8).write(to: URL(filePath: json))
        }
        if !document.faults.isEmpty { throw ExitCode(1) }
    }
}
