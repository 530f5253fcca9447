import LongtakeDaemonDriver
import Testing

/// Paths of commands that would give them access to the data directory.
@Suite(.serialized) struct CommandPathsTests {
    @Test("stop startup and check with exit status 78 if they contain the data directory or lie in it")
    func conflicts() async throws {
        try await onOwnThread {
            for (key, path) in [("read_paths", "DIR"), ("write_paths", "DIR/data/files"), ("read_paths", "/tmp")] {
                let site = try CommandSite("\(key): [PATH]")
                let named = path.replacing("DIR", with: site.directory)
                try site.replace("PATH", with: named)
                let expected =
                    "longtake: \(site.directory)/pipelines.yaml: pipelines.bytes.stages.make: \(key): \(named) would give commands access to the data directory \(site.data). Name a directory that neither contains it nor lies in it.\n"
                let arguments = ["--config", site.settings]
                let serve = try DaemonProcess.run(["serve", "--data", site.data, "--port", "0"] + arguments)
                #expect(serve.status == 78 && serve.output == expected, "\(serve.output)")
                let check = try DaemonProcess.run(
                    ["check"] + arguments, environment: ["LONGTAKE_STORAGE_PATH=\(site.data)"])
                #expect(check.status == 78 && check.output == expected, "\(check.output)")
                let off = try DaemonProcess.run(
                    ["check"] + arguments,
                    environment: ["LONGTAKE_STORAGE_PATH=\(site.data)", "LONGTAKE_COMMANDS_SANDBOX=off"])
                #expect(off.status == 0, "without confinement they change nothing")
            }
        }
    }

    @Test("a data directory that every command may read is refused with its setting")
    func systemPath() async throws {
        try await onOwnThread {
            let site = try CommandSite()
            let check = try DaemonProcess.run(
                ["check", "--config", site.settings], environment: ["LONGTAKE_STORAGE_PATH=/usr/share/longtake"])
            #expect(check.status == 78)
            #expect(
                check.output
                    == "longtake: environment: LONGTAKE_STORAGE_PATH: the data directory /usr/share/longtake is in /usr, which every command may read. Choose another data directory.\n"
            )
        }
    }
}
