import Testing

@testable import longtake

@Suite("settings from the file, the environment and flags")
struct SettingsTreeTests {
    private static func tree(_ yaml: String, _ environment: [String: String] = [:]) throws -> SettingsTree {
        var tree = SettingsTree()
        try tree.apply(file: "f.yaml", text: yaml)
        try tree.apply(environment: environment)
        return tree
    }

    @Test(
        "http.host is one value or a list, not empty and without duplicates",
        arguments: [
            ("{host: 127.0.0.1}", ["127.0.0.1"]), ("{host: [127.0.0.1, '::1']}", ["127.0.0.1", "::1"]),
            ("{host: '127.0.0.1, ::1'}", ["127.0.0.1", "::1"]), ("{host: [localhost]}", ["localhost"]),
            ("{host: []}", nil), ("{host: ''}", nil), ("{host: }", nil), ("{host: ['']}", nil), ("{host: ','}", nil),
            ("{host: 'a,,b'}", nil), ("{host: ['a,b']}", nil), ("{host: [a, a]}", nil), ("{host: [[a]]}", nil),
            ("{host: {a: b}}", nil), ("{host: ['a b']}", nil),
        ])
    func hosts(_ yaml: String, _ hosts: [String]?) throws {
        guard let hosts else {
            #expect(throws: SettingsError.self) { try Self.tree("http: \(yaml)") }
            return
        }
        #expect(try Self.tree("http: \(yaml)").settings.http.hosts == hosts)
    }

    @Test("rejects a list item that contains a space")
    func spaces() throws {
        #expect(throws: SettingsError.self) {
            try Self.tree("", ["LONGTAKE_HTTP_ALLOWED_HOSTS": "a.example org"])
        }
        let tree = try Self.tree("", ["LONGTAKE_HTTP_ALLOWED_HOSTS": " a.example.org , *.b.example.org"])
        #expect(tree.settings.http.allowedHosts == ["a.example.org", "*.b.example.org"])
        #expect(try Self.tree("", ["LONGTAKE_HTTP_ALLOWED_HOSTS": ""]).settings.http.allowedHosts == [])
    }

    @Test(
        "reads permissions as octal, quoted or not",
        arguments: [
            ("0660", 0o660), ("'0660'", 0o660), ("\"0666\"", 0o666), ("660", 0o660), ("0o600", 0o600), ("0", 0),
            ("0777", 0o777), ("1777", nil), ("0888", nil), ("0x1b0", nil), ("-660", nil), ("rw-rw----", nil),
            ("''", nil),
        ] as [(String, UInt32?)])
    func permissions(_ text: String, _ mode: UInt32?) throws {
        let yaml = "http: {unix_socket_mode: \(text)}"
        guard let mode else {
            #expect(throws: SettingsError.self) { try Self.tree(yaml) }
            return
        }
        #expect(Settings.HTTP.permissions(try Self.tree(yaml).settings.http.unixSocketMode) == mode)
    }

    // This test failed before `-` was replaced.
    @Test(
        "a variable sets the workers of a queue if its name is unambiguous",
        arguments: [
            ("queues: {gpu-a100: {workers: 1}}", [], ["gpu-a100": 7]),
            ("queues: {gpu_a100: {workers: 1}}", [], ["gpu_a100": 7]),
            ("queues: {cpu: {workers: 1}}", ["gpu-a100"], ["cpu": 1, "gpu-a100": 7]),
            ("queues: {cpu: {workers: 1}}", ["cpu"], ["cpu": 1, "gpu_a100": 7]),
            ("queues: {gpu-a100: {workers: 1}, gpu_a100: {workers: 2}}", [], nil),
            ("queues: {gpu-a100: {workers: 1}}", ["gpu_a100"], nil),
        ] as [(String, [String], [String: Int]?)])
    func queues(_ yaml: String, _ used: [String], _ workers: [String: Int]?) throws {
        var tree = try Self.tree(yaml, ["LONGTAKE_QUEUES_GPU_A100_WORKERS": "7"])
        guard let workers else {
            let error = #expect(throws: SettingsError.self) { try tree.applyQueueVariables(used) }
            #expect(
                error?.description
                    == "environment: LONGTAKE_QUEUES_GPU_A100_WORKERS: is ambiguous, because it can mean the queues gpu-a100, gpu_a100. Set their workers in the settings file."
            )
            return
        }
        try tree.applyQueueVariables(used)
        #expect(tree.settings.queues.mapValues(\.workers) == workers)
    }

    @Test("remembers the last source that set each key")
    func sources() throws {
        var tree = try Self.tree(
            "http: {port: 1, host: '::1'}\nstorage: {path: d}",
            ["LONGTAKE_HTTP_PORT": "2", "LONGTAKE_HTTP_HOST": "::1"])
        try tree.apply(flag: "--port", "http.port", 3)
        #expect(tree.source(of: "http.port").described("http.port") == "--port")
        #expect(tree.source(of: "http.host").described("http.host") == "LONGTAKE_HTTP_HOST")
        #expect(tree.source(of: "storage.path").described("storage.path") == "storage.path in f.yaml")
        #expect(tree.source(of: "log.level").described("log.level") == "log.level, the default")
    }
}
