import org.apache.kafka.common.utils.Utils;

/** The partition that Java's own producer chooses for each key: Partitions COUNT KEY… */
public class Partitions {
    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[0]);
        for (int i = 1; i < args.length; i++) {
            System.out.println(Utils.toPositive(Utils.murmur2(args[i].getBytes("UTF-8"))) % count);
        }
    }
}
