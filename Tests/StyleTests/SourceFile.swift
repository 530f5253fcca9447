import FoundationEssentials

/// A Swift file of the repository.
struct SourceFile: Sendable {
    /// From the repository's root, such as `Sources/LongtakeCore/Limits.swift`.
    let path: String
    let lines: [String]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// `LongtakeCore` in `Sources/LongtakeCore/Limits.swift`.
    var module: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

    var name: String { path.split(separator: "/").last.map(String.init) ?? "" }

    /// The lines without comments, numbered from 1. Strings are left in: a rule that trips over one
    /// can say so in its allowance.
    var code: [(number: Int, text: String)] {
        lines.enumerated().compactMap { index, line in
            let text = line.drop { $0 == " " }
            return text.hasPrefix("//") ? nil : (index + 1, line)
        }
    }

    /// Of the repository.
    static let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(
        separator: "/")

    /// All Swift files below `Sources`, `Benchmarks` and `Tests`.
    static let all: [SourceFile] = {
        return ["Sources", "Benchmarks", "Tests"].flatMap { folder -> [SourceFile] in
            let names = (try? FileManager.default.subpathsOfDirectory(atPath: "\(root)/\(folder)")) ?? []
            return names.filter { $0.hasSuffix(".swift") }.sorted().compactMap { name in
                FileManager.default.contents(atPath: "\(root)/\(folder)/\(name)").map {
                    SourceFile(path: "\(folder)/\(name)", text: String(decoding: $0, as: UTF8.self))
                }
            }
        }
    }()
}
