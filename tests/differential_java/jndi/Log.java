import org.apache.logging.log4j.LogManager;

/** Logs what a stranger said. */
public class Log {
    public static void main(String[] arguments) {
        LogManager.getLogger(Log.class).error(arguments[0]);
    }
}
