namespace Shop
{
    public class Tea
    {
        [Obsolete]
        public async Task<int> Brew(int minutes)
        {
            return minutes;
        }
    }
}
