import LongtakeCommands
import LongtakeCore

extension LoadedSettings {
    /// Checks that no command may read or write the data directory.
    ///
    /// With `commands.sandbox: off` commands can reach everything, so there is nothing to check.
    /// - Throws: ``SettingsError``, which names the stage or the data directory.
    func checkCommandPaths() throws(SettingsError) {
        let commands = catalog.commands
        guard !commands.isEmpty, settings.commands.sandbox != .off else { return }
        let data = settings.storage.path
        do throws(ConfinementPaths.Conflict) {
            try ConfinementPaths.check(readPaths: [], writePaths: [], dataDirectory: data)
        } catch {
            throw self.error("storage.path", "\(error).")
        }
        for (pipeline, stage, command) in commands {
            do throws(ConfinementPaths.Conflict) {
                try ConfinementPaths.check(
                    readPaths: command.readPaths, writePaths: command.writePaths, dataDirectory: data)
            } catch {
                throw SettingsError(
                    location: pipelinesFile ?? "built-in pipelines", key: "pipelines.\(pipeline).stages.\(stage.name)",
                    reason: "\(error).")
            }
        }
    }
}
