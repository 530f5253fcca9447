import FoundationEssentials

/// The files that `docs/stages.md` prints: the code blocks whose first line has `stage=NAME`.
struct StageExamples {
    /// One block, as it is printed.
    struct Example: Hashable {
        let name: String
        /// The language of the block, such as `sh`.
        let language: String
        let text: String
    }

    let examples: [Example]

    /// - Parameter file: this source file, from which the page is found.
    init(file: String = #filePath) throws {
        let root = file.split(separator: "/").dropLast(4).joined(separator: "/")
        self.init(page: try String(contentsOfFile: "/\(root)/docs/stages.md", encoding: .utf8))
    }

    init(page: String) {
        var (examples, block) = ([Example](), [Substring]())
        var open: (name: String, language: String)?
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                if let (name, language) = open {
                    examples.append(
                        Example(name: name, language: language, text: block.joined(separator: "\n") + "\n"))
                    open = nil
                } else {
                    let words = line.dropFirst(3).split(separator: " ")
                    let name = words.first { $0.hasPrefix("stage=") }?.dropFirst(6)
                    open = name.map { (String($0), String(words[0])) }
                }
                block = []
            } else {
                block.append(line)
            }
        }
        self.examples = examples
    }

    /// Writes all files into a directory, so that the pipelines there can run. Programs are executable.
    func write(to directory: String) throws {
        for example in examples {
            let path = directory + "/" + example.name
            try example.text.write(toFile: path, atomically: true, encoding: .utf8)
            guard example.text.hasPrefix("#!") else { continue }
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        }
    }
}
