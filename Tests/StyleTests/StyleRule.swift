/// One rule of the house, which returns what breaks it.
struct StyleRule: Sendable {
    let name: String
    let check: @Sendable (SourceFile) -> [String]

    /// Words that may not stand in the code of some files.
    static func banned(
        _ words: [String], in scope: @escaping @Sendable (SourceFile) -> Bool, because reason: String,
        except: [String] = []
    ) -> StyleRule {
        StyleRule(name: "no \(words.joined(separator: ", ")): \(reason)") { file in
            guard scope(file), !except.contains(file.path) else { return [] }
            return file.code.filter { line in words.contains { line.text.contains($0) } }
                .map { "\(file.path):\($0.number): \($0.text.drop { $0 == " " })" }
        }
    }

    static let all: [StyleRule] = [
        StyleRule(name: "a file has at most 400 lines") { file in
            file.lines.count > 401 ? ["\(file.path): \(file.lines.count) lines"] : []
        },
        StyleRule(name: "a comment has at most 100 columns") { file in
            guard file.isProgram else { return [] }
            return file.lines.indices.filter { index in
                let text = file.lines[index].drop { $0 == " " }
                // Several spaces belong to a table or a drawing.
                return file.lines[index].count > 100 && text.hasPrefix("//") && !text.contains("  ")
            }.map { "\(file.path):\($0 + 1)" }
        },
        StyleRule(name: "a file is named after its noun") { file in
            // “Service manager” is the field's name for what systemd is.
            let isAllowed = file.path == "Sources/longtake/System/ServiceManager.swift"
            let words = ["Util", "Helper", "Manager", "Common", "Misc"]
            return words.contains { file.name.contains($0) } && !isAllowed ? [file.path] : []
        },
        banned(
            [
                "Date()", "Date.now", "Task.sleep", "Thread.sleep", "usleep(", "ProcessInfo", ".shuffled()",
                ".randomElement()",
            ],
            in: { $0.isLibrary }, because: "time and chance are injected",
            // Waits for another process's lock, on a thread of its own, for as long as a setting
            // says.
            except: ["Sources/LongtakeSQLite/Open/DirectoryLock.swift"]),
        banned([" print("], in: { $0.isLibrary }, because: "a library logs"),
        banned(
            ["try!", "as!", "fatalError(", "nonisolated(unsafe)", "TODO", "FIXME"],
            in: { $0.isProgram }, because: "operating errors are thrown, and nothing is left half done"
        ),
        banned(
            ["@unchecked Sendable"], in: { $0.isProgram },
            because: "the compiler checks what threads share",
            except: [
                // Touched on the pool's writer queue only, which the compiler cannot know; each
                // says so.
                "Sources/LongtakeSQLite/Writer/GroupCommitWriter.swift",
                "Sources/LongtakeSQLite/Writer/WALCheckpoints.swift",
            ]),
        banned(
            ["Task.sleep", "Thread.sleep", "usleep("], in: { $0.path.hasPrefix("Tests/") && $0.module != "StyleTests" },
            because: "a test waits for what it waits for"),
        banned(
            [" Process()"], in: { $0.module != "StyleTests" },
            because: "it reads beyond the buffer of readdir(3), so use posix_spawn(3)"),
        StyleRule(name: "an import follows the arrows") { file in
            guard file.isProgram, let allowed = ImportArrows.allowed[file.module] else { return [] }
            return file.imports.filter { !allowed.contains($0) }.map { "\(file.path): import \($0)" }
        },
        StyleRule(name: "an unstructured task says why") { file in
            guard file.isLibrary || file.isBenchmark else { return [] }
            return file.linesWithoutComment { line in
                (line.contains("Task {") && !line.contains("addTask {")) || line.contains("Task.detached")
            }
        },
        // A sleep that only waits hides a missing signal, and its length ends up in the results.
        StyleRule(name: "a sleep of a benchmark says what it measures") { file in
            file.isBenchmark ? file.linesWithoutComment { $0.contains("Task.sleep") } : []
        },
        StyleRule(name: "a type of a benchmark has a docstring") { file in
            guard file.isBenchmark else { return [] }
            return file.lines.indices.filter { index in
                let line = file.lines[index]
                let words = line.split(separator: " ").map(String.init)
                let isType = words.first != "import" && words.prefix(3).contains { Self.types.contains($0) }
                var above = index - 1
                while above >= 0, file.lines[above].hasPrefix("@") { above -= 1 }
                let hasDocstring = above >= 0 && file.lines[above].hasPrefix("///")
                return isType && !line.hasPrefix(" ") && !line.hasPrefix("/") && !hasDocstring
            }.map { "\(file.path):\($0 + 1): \(file.lines[$0])" }
        },
        StyleRule(name: "a public type or function has a docstring") { file in
            guard file.isLibrary, !Self.implementations.contains(file.name) else { return [] }
            return file.lines.indices.filter { index in
                let words = file.lines[index].split(separator: " ").prefix { !$0.contains("(") }.map(String.init)
                guard words.first == "public", let kind = words.dropFirst().first(where: { Self.kinds.contains($0) })
                else { return false }
                let isWitness = Self.witnesses.contains { file.lines[index].contains($0) }
                var above = index - 1
                while above >= 0, file.lines[above].drop(while: { $0 == " " }).hasPrefix("@") { above -= 1 }
                let isDocumented = above >= 0 && file.lines[above].drop { $0 == " " }.hasPrefix("///")
                return kind != "import" && !isWitness && !isDocumented
            }.map { "\(file.path):\($0 + 1): \(file.lines[$0].drop { $0 == " " })" }
        },
    ]

    private static let types: Set<String> = ["struct", "enum", "class", "protocol", "actor"]
    private static let kinds: Set<String> = types.union(["func"])
    /// Files whose public functions are those of a protocol of the core, which says what they mean.
    private static let implementations = [
        "SQLiteJournal.swift", "SQLiteJournal+Files.swift", "SimulatedRunner.swift",
    ]
    /// Members whose meaning is documented at their protocol.
    private static let witnesses = [
        "func < ", "func == ", "func encode(to", "func hash(into", "func writePrefix(of", "func writeSuffix(into",
    ]
}

extension SourceFile {
    /// Whether the file belongs to a library of the product. The executable longtake does not: it
    /// gives the libraries their clock, their random numbers and their streams.
    var isLibrary: Bool { path.hasPrefix("Sources/") && module != "longtake" }

    /// Whether the file belongs to the load driver.
    var isBenchmark: Bool { path.hasPrefix("Benchmarks/") }

    /// Whether the file belongs to the product or to the load driver, and not to the tests.
    var isProgram: Bool { path.hasPrefix("Sources/") || isBenchmark }

    /// The lines that `matches` selects and that have no comment in them or in the three lines
    /// above.
    fileprivate func linesWithoutComment(_ matches: (String) -> Bool) -> [String] {
        lines.indices.filter { index in
            let above = lines[max(0, index - 3)..<index]
            return matches(lines[index]) && !lines[index].contains("// ")
                && !above.contains { $0.drop { $0 == " " }.hasPrefix("//") }
        }.map { "\(path):\($0 + 1)" }
    }

    var imports: [String] {
        code.compactMap { line in
            let words = line.text.split(separator: " ")
            guard let place = words.firstIndex(of: "import"), place <= 1, place + 1 < words.count,
                !line.text.hasPrefix(" ")
            else { return nil }
            return String(words[place + 1])
        }
    }
}

/// Which modules a module may import: the arrows of docs/architecture.md.
enum ImportArrows {
    private static let system: Set<String> = ["Synchronization", "FoundationEssentials", "Dispatch", "Glibc", "Musl"]

    static let allowed: [String: Set<String>] = [
        "LongtakeCore": ["FoundationEssentials", "Synchronization"],
        "LongtakeAPI": ["LongtakeCore"],
        "LongtakeStorage": ["LongtakeCore"],
        "LongtakeSQLite": system.union(["LongtakeCore", "LongtakeStorage", "GRDB", "GRDBSQLite", "Logging"]),
        "LongtakeFiles": system.union(["LongtakeCore", "Crypto", "Logging"]),
        "LongtakeCommands": system.union(["LongtakeCore", "CLongtakeProcess", "Logging"]),
        "LongtakeEngine": ["LongtakeCore", "Logging", "Synchronization"],
        "LongtakeStream": ["LongtakeAPI", "LongtakeCore", "Logging", "NIOCore", "Synchronization"],
        "LongtakeHTTP": system.union([
            "LongtakeAPI", "LongtakeCore", "LongtakeStream", "Logging", "Crypto", "Hummingbird", "HTTPTypes", "NIOCore",
            "NIOPosix", "NIOHTTP1", "NIOHTTPTypesHTTP1", "RawStructuredFieldValues",
        ]),
        "LongtakeBench": system.union([
            "LongtakeAPI", "LongtakeCore", "LongtakeSQLite", "ArgumentParser", "GRDB", "Histogram", "Logging",
            "NIOCore", "NIOPosix",
        ]),
    ]
}
