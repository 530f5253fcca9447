import FoundationEssentials
import LongtakeDaemonDriver

/// A temporary copy of `config/pipelines.yaml` with a change. It is removed with this value.
final class PipelineFile: Sendable {
    let path: String
    private let directory: String

    init(_ change: (String) -> String) throws {
        directory = try DaemonProcess.temporaryDirectory()
        path = directory + "/pipelines.yaml"
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = try String(contentsOfFile: "/\(root)/config/pipelines.yaml", encoding: .utf8)
        try change(text).write(toFile: path, atomically: false, encoding: .utf8)
    }

    deinit { DaemonProcess.remove(directory) }
}
