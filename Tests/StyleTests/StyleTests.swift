import Testing

/// Walks the repository and holds it to its own rules.
@Suite struct StyleTests {
    @Test("the repository keeps the rule", arguments: StyleRule.all.indices)
    func keeps(rule index: Int) {
        let rule = StyleRule.all[index]
        let broken = SourceFile.all.flatMap(rule.check)
        #expect(broken == [], "\(rule.name)")
    }

    @Test("the files are found")
    func filesAreFound() {
        #expect(SourceFile.all.contains { $0.path == "Sources/LongtakeCore/Limits.swift" })
        #expect(SourceFile.all.contains { $0.path == "Tests/StyleTests/StyleTests.swift" })
        #expect(SourceFile.all.contains { $0.path == "Benchmarks/LongtakeBench/LongtakeBench.swift" })
        let modules = Set(SourceFile.all.filter { $0.isLibrary || $0.isBenchmark }.map(\.module))
        #expect(modules == Set(ImportArrows.allowed.keys), "every library and the load driver have their arrows")
    }

    /// A gate that cannot fire guards nothing: each rule is shown something that breaks it.
    @Test(
        "each rule finds what breaks it",
        arguments: [
            ("Sources/LongtakeCore/Long.swift", String(repeating: "\n", count: 500)),
            ("Sources/LongtakeCore/Helpers.swift", ""),
            ("Sources/LongtakeEngine/A.swift", "let now = Date()"),
            ("Sources/LongtakeEngine/A.swift", "    try await Task.sleep(for: .seconds(1))"),
            ("Sources/LongtakeHTTP/A.swift", "    print(1)"),
            ("Sources/longtake/A.swift", "let a = try! b()"),
            ("Sources/LongtakeStream/A.swift", "final class A: @unchecked Sendable {}"),
            ("Tests/LongtakeEngineTests/A.swift", "    usleep(10)"),
            ("Sources/LongtakeCore/A.swift", "public import NIOCore"),
            ("Sources/LongtakeEngine/A.swift", "import LongtakeSQLite"),
            ("Sources/LongtakeHTTP/A.swift", "import GRDB"),
            ("Sources/LongtakeEngine/A.swift", "    Task {\n    }"),
            ("Sources/LongtakeCore/A.swift", "public struct Naked {}"),
            ("Benchmarks/LongtakeBench/Long.swift", String(repeating: "\n", count: 500)),
            ("Benchmarks/LongtakeBench/A.swift", "let a = try! b()"),
            ("Benchmarks/LongtakeBench/A.swift", "import LongtakeHTTP"),
            ("Benchmarks/LongtakeBench/A.swift", "    Task {\n    }"),
            ("Benchmarks/LongtakeBench/A.swift", "    try await Task.sleep(for: .seconds(1))"),
            ("Benchmarks/LongtakeBench/A.swift", "private final class Naked {}"),
        ])
    func finds(path: String, text: String) {
        let file = SourceFile(path: path, text: text)
        #expect(StyleRule.all.contains { !$0.check(file).isEmpty }, "\(path): \(text)")
    }

    @Test("a tidy file breaks no rule")
    func tidy() {
        let text = """
            import Synchronization

            /// A number.
            public struct Number {
                /// Adds.
                public func add() {}
            }
            """
        let file = SourceFile(path: "Sources/LongtakeEngine/Number.swift", text: text)
        #expect(StyleRule.all.flatMap { $0.check(file) } == [])
    }
}
